"""What is in the place of a finished file: fetched again for free, or left alone."""

import hashlib
import io

import pytest
from doubles.place import items
from PIL import Image


def lfs(content: bytes, digest: str = "") -> bytes:
    digest = digest or hashlib.sha256(content).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n"
        f"size {len(content)}\n"
    ).encode()


def annex(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return f"/annex/objects/SHA256E-s{len(content)}--{digest}.png\n".encode()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def nothing(_content: bytes) -> bytes:
    return b""


def other_ends(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


@pytest.fixture
async def made(place):
    """A place with one finished item, and what was made."""
    await place.play(items("an oak"))
    made = (place.output / "a.png").read_bytes()
    return place, place.output / "a.png", made


def edit(path, size_px=(5, 7)):
    file = io.BytesIO()
    Image.new("RGB", size_px, "teal").save(file, "PNG")
    path.write_bytes(file.getvalue())
    return file.getvalue()


@pytest.mark.parametrize("damage", [lfs, annex, half, nothing])
@pytest.mark.parametrize("typed", [("fetch",), ("run", "--frozen"), ("run",)], ids=str)
async def test_what_is_no_file_is_fetched_again_for_free(made, damage, typed):
    place, path, content = made
    path.write_bytes(damage(content))

    planned = await place.type("plan", "--json")
    said = await place.type(*typed)
    again = await place.type("plan", "--json")

    assert planned.events[-1]["counts"]["fetch"] == 1
    assert said.code == 0, said.err
    assert path.read_bytes() == content
    assert again.events[-1]["counts"]["done"] == 1
    assert sorted(one.name for one in place.output.glob("a.*")) == [
        "a.png",
        "a.png.json",
    ]
    assert place.submits == 1


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lfs, "a.png is a Git LFS pointer"),
        (annex, "a.png is a git-annex pointer"),
        (half, "a.png is cut off or damaged"),
        (nothing, "file missing"),
    ],
)
async def test_the_plan_says_what_is_there_instead(made, damage, reason):
    place, path, content = made
    path.write_bytes(damage(content))

    planned = await place.type("plan", "--json")

    assert planned.events[0]["reason"] == reason


async def test_a_pointer_in_the_place_of_a_sidecar_is_fetched_again(made):
    place, path, _ = made
    sidecar = path.with_name("a.png.json")
    sidecar.write_bytes(lfs(sidecar.read_bytes()))

    said = await place.type("fetch")

    assert said.code == 0, said.err
    assert b"scenario-pipeline/sidecar" in sidecar.read_bytes()
    assert place.submits == 1


@pytest.mark.parametrize("typed", [("fetch",), ("run",), ("run", "--verify")], ids=str)
async def test_an_edit_stays_and_the_plan_says_so(made, typed):
    place, path, _ = made
    edited = edit(path)

    planned = await place.type("plan", "--json")
    said = await place.type(*typed)

    assert planned.events[0]["action"] == "done"
    assert planned.events[0]["reason"] == "done; edited: a.png"
    assert said.code == 0, said.err
    assert path.read_bytes() == edited
    assert place.submits == 1


async def test_the_pointer_to_an_edit_is_kept_beside_what_is_fetched(made):
    place, path, content = made
    pointer = lfs(content, digest="b" * 64)
    path.write_bytes(pointer)

    said = await place.type("fetch")

    assert said.code == 0, said.err
    assert path.read_bytes() == content
    assert (place.output / "a.old-1.png").read_bytes() == pointer
    assert "it is kept as a.old-1.png" in said.err
    assert place.submits == 1


async def test_what_is_damaged_is_kept_beside_what_is_fetched(made):
    place, path, content = made
    damaged = other_ends(content)
    path.write_bytes(damaged)

    said = await place.type("fetch")

    assert path.read_bytes() == content
    assert (place.output / "a.old-1.png").read_bytes() == damaged
    assert "it is kept as a.old-1.png" in said.err


async def test_only_verify_reads_what_has_the_right_size(made):
    place, path, content = made
    path.write_bytes(content[:-30] + b"?" * 30)

    blind = await place.type("plan", "--json")
    seen = await place.type("plan", "--json", "--verify")
    said = await place.type("fetch", "--verify")

    assert blind.events[-1]["counts"]["done"] == 1
    assert seen.events[-1]["counts"]["fetch"] == 1
    assert said.code == 0, said.err
    assert path.read_bytes() == content
    assert place.submits == 1


async def test_the_edit_of_one_output_stays_when_the_other_is_a_pointer(place):
    await place.play(items("two oaks", params="{numOutputs: 2}"))
    first, second = sorted(place.output.glob("*.png"))
    edited, content = edit(first), second.read_bytes()
    second.write_bytes(lfs(content))

    said = await place.type("fetch")

    assert said.code == 0, said.err
    assert first.read_bytes() == edited
    assert second.read_bytes() == content


async def test_a_saved_plan_may_be_carried_out_with_verify(made):
    place, path, content = made
    saved = place.folder / "saved.plan"
    await place.type("plan", "--out", saved)
    path.write_bytes(content[:-30] + b"?" * 30)

    said = await place.type("run", "--plan", saved, "--verify")

    assert said.code == 0, said.err
    assert path.read_bytes() == content
