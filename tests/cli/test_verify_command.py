"""``verify``: what it finds in an output folder, and that it changes nothing."""

import hashlib
import os

import pytest
from doubles.pictures import png_of
from doubles.place import everything_in, items

from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.output.names import EMULATOR_STATE_NAME, LOCK_NAME
from pipeline.storage.atomic_file import PARTIAL_FOLDER


@pytest.fixture
async def made(workshop):
    """Three assets with their sidecars, and a ledger."""
    workshop.write(
        "items:\n"
        "  - {id: oak, prompt: oak}\n"
        "  - {id: elm, prompt: elm}\n"
        "  - {id: park/fir, prompt: fir}\n"
    )
    await workshop.run()
    return workshop.output


@pytest.fixture
def verify(command):
    """Findings by path, and the exit code; the folder is as it was."""

    async def run(output):
        before = everything_in(output)
        plain = await command("verify", output)
        said = await command("verify", output, "--json")
        assert everything_in(output) == before
        *files, done = said.events
        assert done["event"] == "done"
        assert done["exit_code"] == said.code == plain.code
        assert said.err == plain.err == ""
        assert sum(done["counts"].values()) == len(files)
        found = {line["path"]: line["finding"] for line in files}
        details = {line["path"]: line["detail"] for line in files}
        return said.code, found, details, plain.out

    return run


OK = {"elm.png": "ok", "oak.png": "ok", "park/fir.png": "ok"}


async def test_what_was_just_made_is_ok(made, verify):
    code, found, _, text = await verify(made)

    assert (code, found) == (0, OK)
    assert text == f"{made}: 3 ok\n"


def pointer(content, digest=""):
    digest = digest or hashlib.sha256(content).hexdigest()
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n"
    return f"{text}size {len(content)}\n".encode()


async def test_a_pointer_is_told_from_a_file_that_was_edited(made, verify):
    oak, elm, sidecar = (
        made / name for name in ("oak.png", "elm.png", "park/fir.png.json")
    )
    oak.write_bytes(pointer(oak.read_bytes()))
    elm.write_bytes(pointer(elm.read_bytes(), "0" * 64))
    sidecar.write_bytes(pointer(sidecar.read_bytes()))

    code, found, details, _ = await verify(made)

    assert code == 3
    assert found == {
        "oak.png": "missing",
        "elm.png": "changed",
        "park/fir.png.json": "missing",
    }
    assert details == {
        "oak.png": "there is only its Git LFS pointer",
        "elm.png": "a Git LFS pointer to another file",
        "park/fir.png.json": "the sidecar is a Git LFS pointer",
    }


async def test_a_missing_asset_is_named_with_what_to_do(made, verify):
    (made / "park/fir.png").unlink()

    code, found, _, text = await verify(made)

    assert (code, found) == (3, {**OK, "park/fir.png": "missing"})
    assert " missing  park/fir.png\n" in text
    assert "pipeline fetch" in text


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "the same size, other bytes"),
        (lambda data: data[:-10], "bytes instead of"),
        (lambda data: data + b"more", "bytes instead of"),
        (lambda _data: b"", "0 bytes instead of"),
        (lambda _data: png_of("another"), ""),
    ],
    ids=["one-bit", "shorter", "longer", "empty", "another-image"],
)
async def test_a_changed_asset_is_seen_whatever_its_size(made, verify, change, detail):
    path = made / "oak.png"
    path.write_bytes(change(path.read_bytes()))

    code, found, details, text = await verify(made)

    assert (code, found) == (3, {**OK, "oak.png": "changed"})
    assert detail in details["oak.png"]
    assert " changed  oak.png" in text


async def test_the_right_bytes_that_do_not_decode_are_broken(workshop, verify):
    workshop.write_items("oak")
    await workshop.run()
    import hashlib

    broken = png_of("asset_1_0")[:-20]
    sidecar = workshop.output / "oak.png.json"
    right = (workshop.output / "oak.png").read_bytes()
    (workshop.output / "oak.png").write_bytes(broken)
    text = sidecar.read_text()
    old, new = (hashlib.sha256(data).hexdigest() for data in (right, broken))
    assert old in text
    sidecar.write_text(text.replace(old, new))

    code, found, details, _ = await verify(workshop.output)

    assert (code, found) == (3, {"oak.png": "broken"})
    assert details["oak.png"]


async def test_an_asset_that_cannot_be_read_is_broken_and_not_a_crash(made, verify):
    (made / "oak.png").unlink()
    (made / "oak.png").mkdir()

    code, found, details, _ = await verify(made)

    assert (code, found["oak.png"]) == (3, "broken")
    assert details["oak.png"] == "not a file"


async def test_files_of_nobody_are_strays(made, verify):
    (made / "notes.txt").write_text("mine")
    (made / "park/copy.png").write_bytes(b"mine")
    (made / "data.json").write_text("{}")
    (made / "oak.png.json").unlink()

    code, found, _, text = await verify(made)

    del (rest := dict(OK))["oak.png"]
    strays = ("notes.txt", "park/copy.png", "data.json", "oak.png")
    assert code == 3
    assert found == {**rest, **dict.fromkeys(strays, "stray")}
    assert "   stray  park/copy.png" in text


async def test_what_a_run_keeps_beside_the_assets_is_no_stray(made, verify):
    names = [
        f"{LEDGER_NAME}-wal",
        f"{LEDGER_NAME}-shm",
        f"{LEDGER_NAME}.damaged-20260101T000000Z",
        LOCK_NAME,
        EMULATOR_STATE_NAME,
        f"{EMULATOR_STATE_NAME}.files/abc",
        f"{PARTIAL_FOLDER}/0123",
        "report/index.html",
    ]
    for name in names:
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(b"")

    code, found, _, _ = await verify(made)

    assert (code, found) == (0, OK)


async def test_our_own_names_in_a_sub_folder_are_strays(made, verify):
    (made / "park" / LEDGER_NAME).write_bytes(b"")

    code, found, _, _ = await verify(made)

    assert (code, found[f"park/{LEDGER_NAME}"]) == (3, "stray")


async def test_an_emulated_run_leaves_no_stray(tmp_path, command, verify):
    (tmp_path / "trees.yaml").write_text(items("an oak"))
    output = tmp_path / "out"

    run = await command("run", tmp_path / "trees.yaml", "--emulate", "-o", output)
    code, found, _, _ = await verify(output)

    assert run.code == 0, run.err
    assert (code, found) == (0, {"a.png": "ok"})
    assert (output / EMULATOR_STATE_NAME).exists()


async def test_an_empty_folder_has_nothing_wrong(tmp_path, verify):
    code, found, _, text = await verify(tmp_path)

    assert (code, found) == (0, {})
    assert "no assets" in text


async def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path, command):
    said = await command("verify", tmp_path / "nowhere")

    assert said.code == 2
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.name != "posix", reason="makes links and pipes")
@pytest.mark.parametrize("kind", ["endless", "pipe", "dangling", "loop"])
async def test_what_cannot_be_read_to_an_end_is_passed_over(kind, made, verify):
    for name in ("elm.png", "oak.png.json", "odd.png.json"):
        path = made / name
        path.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        else:
            target = {"endless": "/dev/zero", "dangling": "nowhere", "loop": name}
            path.symlink_to(target[kind])

    code, found, _, _ = await verify(made)

    assert code == 3
    assert found["park/fir.png"] == "ok"
    assert found["elm.png"] in {"missing", "changed", "broken"}


@pytest.mark.parametrize("sample", ["5", "0%", "101%", "some%"])
async def test_a_sample_is_a_percentage(made, command, sample):
    said = await command("verify", made, "--sample", sample)

    assert said.code == 2
    assert "--sample must be a percentage" in said.err


async def test_samples_of_one_progress_file_end_up_with_every_file(
    made, command, tmp_path
):
    progress = tmp_path / "progress.jsonl"
    words = ("verify", made, "--json", "--sample", "34%", "--progress", progress)
    seen = []
    for _ in range(4):
        said = await command(*words)
        seen += [line["path"] for line in said.of("file")]

    assert sorted(seen) == sorted(OK)
    assert said.of("done")[0]["known"] == 3
    with progress.open("a") as file:
        file.write('{"path": "oak')  # a crash
    (made / "oak.png").write_bytes(b"edited")
    said = await command("verify", made, "--progress", progress)
    assert "changed  oak.png" in said.out
    assert "2 assets checked before" in said.out


@pytest.mark.parametrize("notes", ["my notes\n", "[" * 9999 + "\n"])
async def test_another_file_is_no_progress(made, command, tmp_path, notes):
    (tmp_path / "notes.txt").write_text(notes)

    said = await command("verify", made, "--progress", tmp_path / "notes.txt")

    assert said.code == 2
    assert "was not written by pipeline verify" in said.err
    assert (tmp_path / "notes.txt").read_text() == notes


async def test_a_folder_that_is_not_there_is_named(command):
    said = await command("verify", "output/nothing")

    assert said.code == 2
    assert "there is no folder" in said.err


@pytest.mark.parametrize("words", [["verify"], ["index", "--out", "all.jsonl"]])
async def test_a_store_without_anything_is_a_mistyped_one(command, tmp_path, words):
    url = (tmp_path / "icnos").as_uri()

    done = await command(words[0], url, *words[1:])

    assert done.code == 2
    assert f"there is nothing in {url}" in done.err
