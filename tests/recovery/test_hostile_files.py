"""Hostile manifests, lock files, sidecars and links: one message, nothing paid.

Each case: no hang, no traceback, the exit code as documented, nothing read or written
outside of the folders, and no secret in what is said.
"""

import json
import os
import re
import socket
import sqlite3
import sys
from pathlib import Path

import pytest
from knobs.world import HEAD
from recovery.conftest import everything_in, items

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")

CANARY = "c4n4ry-Zq8w"
AN_OAK = items("an oak")
ROWS = HEAD + "items:\n  - {id: '${slug}', prompt: '${what}', rows: data.csv}\n"
REFERENCE = HEAD + (
    "references: {style: style.png}\n"
    "items:\n  - {id: a, prompt: an oak, params: {images: [ref:style]}}\n"
)


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def link(folder, name, target):
    (folder / name).symlink_to(target)


def open_socket(path):
    """A socket's name outlives it."""
    here = Path.cwd()
    os.chdir(path.parent)  # its address has a hundred characters at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path.parent / f"{tmp_path.name}-outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "precious.txt").write_text(f"precious {CANARY}")
    (folder / "deep/oak.png.json").write_text(f'{{"secret": "{CANARY}"}}')
    write(folder, ".env", f"TOKEN={CANARY}\nOTHER={CANARY}2\n")
    connection = sqlite3.connect(folder / "theirs.sqlite3")
    connection.execute("CREATE TABLE theirs (secret)")
    connection.commit()
    connection.close()
    return folder


@pytest.fixture
def hostile(place, outside):
    """Type commands, and check all that holds for each of them."""
    write(place.folder, ".env", f"TOKEN={CANARY}\nOTHER={CANARY}2\n")
    write(place.folder, "knobs.yaml", AN_OAK)

    async def check(code, *commands, says=""):
        before = everything_in(outside)
        for command in commands or (("plan",), ("run", "--yes")):
            said = await place.type(*command)
            text = said.out + said.err
            assert "Traceback" not in text
            assert "this is a bug" not in text
            assert CANARY not in text
            assert said.code == code, text
            assert re.search(says, text), text
        assert everything_in(outside) == before
        assert place.submits == 0

    return check


# --- manifests, and what they name ----------------------------------------------------


def laughs():
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return HEAD + "vars:\n" + "".join(f"  {line}\n" for line in lines)


MANIFESTS = {
    "a pipe": lambda at: os.mkfifo(at / "knobs.yaml"),
    "a socket": lambda at: open_socket(at / "knobs.yaml"),
    "an endless device": lambda at: link(at, "knobs.yaml", "/dev/zero"),
    "a folder": lambda at: (at / "knobs.yaml").mkdir(),
    "a dangling link": lambda at: link(at, "knobs.yaml", "nowhere"),
    "a link to itself": lambda at: link(at, "knobs.yaml", "knobs.yaml"),
    "a secret": lambda at: link(at, "knobs.yaml", ".env"),
    "a billion laughs": lambda at: write(at, "knobs.yaml", laughs()),
    "nested deeply": lambda at: write(at, "knobs.yaml", "a: " + "[" * 200_000),
    "70 MiB": lambda at: os.truncate(write(at, "knobs.yaml", b""), 70 << 20),
    "a id above": lambda at: write(
        at, "knobs.yaml", AN_OAK.replace("id: a,", "id: ../../a,")
    ),
    "an absolute id": lambda at: write(
        at, "knobs.yaml", AN_OAK.replace("id: a,", "id: /tmp/a,")
    ),
    "a name above": lambda at: write(
        at, "knobs.yaml", AN_OAK.replace("name: knobs", "name: ../knobs")
    ),
    "an endless seed": lambda at: write(
        at, "knobs.yaml", items("an oak", params="{seed: 1" + "0" * 5000 + "}")
    ),
}
NAMED = {
    "rows: a link to .env": (ROWS, lambda at: link(at, "data.csv", ".env"), "hidden"),
    "rows: a link to a key": (
        ROWS,
        lambda at: (
            write(at, "server.key", f"{CANARY},{CANARY}\n"),
            link(at, "data.csv", "server.key"),
        ),
        "named like a secret",
    ),
    "rows: hidden": (
        ROWS.replace("data.csv", ".data.csv"),
        lambda at: write(at, ".data.csv", f"{CANARY},what\n"),
        "hidden",
    ),
    "rows: in a hidden folder": (
        ROWS.replace("data.csv", ".aws/data.csv"),
        lambda at: write(at, ".aws/data.csv", f"{CANARY},what\n"),
        "hidden",
    ),
    "rows: credentials": (
        ROWS.replace("data.csv", "credentials.csv"),
        lambda at: write(at, "credentials.csv", f"User,{CANARY}\n"),
        "named like a secret",
    ),
    "rows: a link that leads out": (
        ROWS,
        lambda at: link(at, "data.csv", f"../{at.name}-outside/precious.txt"),
        "outside",
    ),
    "rows: above": (
        ROWS.replace("data.csv", "../data.csv"),
        lambda _at: None,
        "no file|outside",
    ),
    "rows: a pipe": (ROWS, lambda at: os.mkfifo(at / "data.csv"), "no regular file"),
    "rows: a secret by another name": (
        ROWS,
        lambda at: write(at, "data.csv", f"TOKEN={CANARY}\nOTHER={CANARY}2\n"),
        "unknown variable",
    ),
    "reference: .env": (
        REFERENCE.replace("style.png", ".env"),
        lambda _at: None,
        "hidden",
    ),
    "reference: .git-credentials": (
        REFERENCE.replace("style.png", ".git-credentials"),
        lambda at: write(at, ".git-credentials", f"https://u:{CANARY}@host"),
        "hidden",
    ),
    "reference: a link to a private key": (
        REFERENCE,
        lambda at: (
            write(at, "keys/ID_RSA_studio", CANARY),
            link(at, "style.png", "keys/ID_RSA_studio"),
        ),
        "named like a secret",
    ),
    "reference: a linked folder with a secret": (
        REFERENCE.replace("style.png", "refs/id_ed25519"),
        lambda at: (write(at, "keys/id_ed25519", CANARY), link(at, "refs", "keys")),
        "named like a secret",
    ),
    "reference: a pipe": (
        REFERENCE,
        lambda at: os.mkfifo(at / "style.png"),
        "no regular file",
    ),
    "reference: a device": (
        REFERENCE,
        lambda at: link(at, "style.png", "/dev/zero"),
        "outside",
    ),
    "file: in params": (
        items("an oak", params='{images: ["file:.env"]}').replace(
            "references: {style: style.png}\n", ""
        ),
        lambda _at: None,
        "hidden",
    ),
}


@pytest.mark.parametrize("kind", MANIFESTS)
async def test_a_hostile_manifest_is_one_message(kind, place, hostile):
    (place.folder / "knobs.yaml").unlink()
    MANIFESTS[kind](place.folder)

    await hostile(2, says="knobs.yaml")


@pytest.mark.parametrize("kind", NAMED)
async def test_what_a_hostile_manifest_names_is_not_read(kind, place, hostile):
    text, prepare, says = NAMED[kind]
    write(place.folder, "knobs.yaml", text)
    prepare(place.folder)

    await hostile(2, says=says)


@pytest.mark.parametrize(
    "target", ["/proc/self/environ", "/dev/zero", "../{}-outside/.env"]
)
async def test_no_secret_is_read_from_outside_either(target, place, hostile):
    link(place.folder, "data.csv", target.format(place.folder.name))
    write(place.folder, "knobs.yaml", ROWS)

    await hostile(2, ("run", "--yes", "--allow-outside"), ("plan", "--allow-outside"))


async def test_a_manifest_in_a_hidden_folder_may_name_what_is_beside_it(place):
    folder = place.folder / ".work" / "icons"
    write(folder, "data.csv", "slug,what\noak,an oak\n")
    manifest = write(folder, "m.yaml", ROWS)

    said = await place.command("validate", manifest)

    assert said.code == 0, said.err


# --- other files that a person names --------------------------------------------------


@pytest.mark.parametrize("kind", ["a pipe", "a device", "no text", "too large"])
async def test_a_dotenv_that_cannot_be_read_is_one_message(kind, place, hostile):
    path = place.folder / ".env"
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"\xff\xfe\x00" if kind == "no text" else b"#" * (2 << 20))

    await hostile(2, ("run", "--yes"), says=r"\.env cannot be read")


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "1e999", "deep"])
async def test_a_saved_plan_that_is_none_is_one_message(kind, place, hostile):
    path = place.folder / "agreed.plan"
    record = {
        "schema": "scenario-pipeline/plan/1",
        "items": {"a": ["key", 1]},
        "prices": {"x": "-5"},
    }
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "deep":
        path.write_bytes(b"[" * 200_000)
    else:
        path.write_text(json.dumps(record).replace("1]", "1e999]"))

    if kind not in {"a folder", "a device"}:
        await hostile(2, ("plan", "--out", str(path)), says="no saved plan")
    if kind != "a device":  # it has no end, so only its start is looked at
        await hostile(2, ("run", "--yes", "--plan", str(path)), says="plan")


async def test_a_log_that_nobody_reads_is_not_waited_for(place, hostile):
    os.mkfifo(place.folder / "log")

    await hostile(11, ("run", "--yes", "--log-file", "log"), says="cannot write log")


# --- lock files -----------------------------------------------------------------------

BLOCK = """\
- id: {id}
  model: model_wan-2-7-image
  job_key: "{n:064x}"
  request_key: "{n:064x}"
  derived_seed: {n}
  cost: "6"
  job: job_{n}
"""
ASSET = """\
  assets:
  - id: asset_{n}
    media_type: image/png
    width_px: 16
    height_px: 16
    sha256: {n:064x}f
    size_bytes: 100
    path: {id}.png
"""


def lock_of(base_url, count=1, *, saved=True, change=lambda text: text):
    block = BLOCK + (ASSET.replace("{n:064x}f", '"f{n:063x}"') if saved else "")
    blocks = (block.format(id=f"x{n}", n=n) + "\n" for n in range(count))
    head = f'# …\nlock: 1\nservice: "{base_url}"\nproject: ""\nitems:\n\n'
    return change(head + "".join(blocks) + "...\n")


def replaced(old, new):
    return lambda text: text.replace(old, new, 1)


LOCKS = {
    "200,000 blocks in flight": {"count": 200_000, "saved": False},
    "200,000 blocks with files": {"count": 200_000},
    "20,000 blocks": {"count": 20_000},
    "a negative charge": {"change": replaced('cost: "6"', 'cost: "-1000"')},
    "a charge of all there is": {"change": replaced('"6"', '"' + "9" * 30 + '"')},
    "no number": {"change": replaced('"6"', '"NaN"')},
    "a seed that overflows": {"change": replaced("seed: 0", "seed: " + "9" * 19)},
    "a seed without end": {"change": replaced("seed: 0", "seed: " + "9" * 5000)},
    "a negative size": {"change": replaced("bytes: 100", "bytes: -1")},
    "a huge size": {"change": replaced("bytes: 100", f"bytes: {2**62}")},
    "a path above": {"change": replaced("path: x0", "path: ../x0")},
    "an absolute path": {"change": replaced("path: x0", "path: /etc/x0")},
    "an id above": {"change": replaced("id: x0", "id: ../x0")},
    "control characters": {"change": replaced("image/png", "image/\x1b[31m")},
    "no text": {"change": replaced("image/png", "image/\0")},
    "a line of 100 MB": {"change": replaced("model_wan", "m" * 100_000_000)},
    "nested deeply": {"change": replaced('"6"', "[" * 5000)},
    "an anchor": {"change": replaced('"6"', "&a [*a, *a, *a, *a]")},
    "one item twice": {
        "change": lambda text: text.replace("...\n", BLOCK.format(id="x0", n=9) + "...")
    },
    "one key twice": {"change": replaced("  cost:", "  job: job_7\n  cost:")},
    "lines that say nothing": {"change": replaced("- id", "\n" * 2000 + "- id")},
    "cut off": {"change": lambda text: text[: len(text) // 2]},
    "two documents": {"change": lambda text: text + "a: 1\n"},
    "a job of another path": {"change": replaced("job: job_0", 'job: "../../teams"')},
    "no lock": {"change": lambda _text: f"TOKEN={CANARY}\n"},
}


@pytest.mark.parametrize("kind", LOCKS)
async def test_a_hostile_lock_file_is_one_message_with_its_line(kind, place, hostile):
    text = lock_of(place.emulator.base_url, **LOCKS[kind])
    write(place.folder, "knobs.yaml.lock", text)

    await hostile(2, says=r"knobs\.yaml\.lock:\d+: ")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "loop", "hole"])
async def test_what_is_no_lock_file_is_one_message(kind, place, hostile):
    path = place.folder / "knobs.yaml.lock"
    make = {
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: open_socket(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "loop": lambda: None,
        "hole": lambda: os.truncate(write(place.folder, path.name, b""), 1 << 40),
    }
    make[kind]()
    if kind == "loop":
        write(
            place.folder, path.name, lock_of(place.emulator.base_url, change=str.upper)
        )

    await hostile(2, says=r"knobs\.yaml\.lock")


async def test_blocks_of_items_that_are_gone_harm_nothing(place):
    text = lock_of(place.emulator.base_url, 3000)
    write(place.folder, "knobs.yaml", AN_OAK)
    write(place.folder, "knobs.yaml.lock", text)

    said = await place.type("plan")

    assert said.code == 0, said.err


# --- sidecars -------------------------------------------------------------------------


def changed(**values):
    return lambda record: json.dumps({**record, **values})


def charged(**values):
    def change(record):
        return json.dumps({**record, "cost": {**record["cost"], **values}})

    return change


def written(name, text):
    """A number as no encoder of ours would write it."""

    def change(record):
        spelled = json.dumps({**record, name: "CUT"})
        return spelled.replace('"CUT"', text)

    return change


SIDECARS = {
    "a negative charge": charged(charged=-1000),
    "a small negative charge": charged(charged=-0.5),
    "a charge of all there is": charged(charged=10**15),
    "an endless charge": lambda record: json.dumps(
        {**record, "cost": {"charged": "CUT"}}
    ).replace('"CUT"', "1e999"),
    "a charge that is no number": lambda record: json.dumps(
        {**record, "cost": {"charged": "CUT"}}
    ).replace('"CUT"', "NaN"),
    "a charge in words": charged(charged="six"),
    "a negative quote": charged(quoted=-1),
    "a negative add-on": charged(addons={"gate": -7}),
    "add-ons that are a list": charged(addons=[1]),
    "a negative size": changed(size_bytes=-1),
    "a huge size": changed(size_bytes=10**30),
    "an endless size": written("size_bytes", "9" * 6000),
    "output 0": changed(output_index=0),
    "a huge output": changed(output_index=10**30),
    "attempt 0": changed(attempts=0),
    "attempts in words": changed(attempts="one"),
    "attempts by half": changed(attempts=1.5),
    "attempts that are true": changed(attempts=True),
    "a huge seed": changed(seed=10**30),
    "a negative width": changed(width_px=-5),
    "the year 9999": changed(submitted_at="9999-12-31T23:59:59.999Z"),
    "the year 2090": changed(saved_at="2090-01-01T00:00:00.000Z"),
    "the year 1": changed(submitted_at="0001-01-01T00:00:00.000Z"),
    "no zone": changed(finished_at="2026-01-01T00:00:00"),
    "a time that is a number": changed(submitted_at=7),
}


@pytest.mark.parametrize("kind", SIDECARS)
async def test_a_sidecar_that_says_what_cannot_be_stops_before_anything_is_paid(
    kind, place, outside
):
    await place.play(AN_OAK)
    path = place.output / "a.png.json"
    sound = path.read_bytes()
    path.write_text(SIDECARS[kind](json.loads(sound)))
    place.lose_ledger()

    said = [await place.type(name) for name in ("plan", "status")]
    said += [await place.type("run", "--yes", "--max-cost", "6")]
    verified = await place.command("verify", place.output)
    path.write_bytes(sound)
    mended = await place.play(AN_OAK)

    assert {one.code for one in said} == {2}
    assert all("a.png.json has an impossible value" in one.err for one in said)
    assert not any("Traceback" in one.err for one in said)
    if kind != "the year 2090":  # it will come
        assert verified.code == 3
        assert "a.png.json" in verified.out
    assert mended.result.counts["done"] == 1
    assert place.paid == 1


async def test_of_two_sidecars_of_one_job_the_dearer_one_counts(place):
    await place.play(AN_OAK)
    record = place.sidecars()["a.png"]
    write(place.output, "copy/a.png.json", charged(charged=0)(record))
    write(place.output, "0/a.png.json", charged(charged=0)(record))
    place.lose_ledger()

    assert (await place.type("run", "--yes")).code == 0
    assert place.job("a").charged == record["cost"]["charged"]


async def test_a_sidecar_of_a_damaged_number_that_the_ledger_knows_is_not_needed(place):
    await place.play(AN_OAK)
    path = place.output / "a.png.json"
    path.write_text(charged(charged=-1000)(json.loads(path.read_bytes())))

    played = await place.play(AN_OAK)

    assert played.result.counts["done"] == 1


async def test_a_linked_sidecar_is_not_read_and_its_asset_not_paid_again(
    place, outside
):
    await place.play(AN_OAK)
    path = place.output / "a.png.json"
    path.rename(outside / "a.png.json")
    path.symlink_to(outside / "a.png.json")
    place.lose_ledger()

    refused = await place.type("run", "--yes")

    assert refused.code == 11
    assert "a.png.json is a link that leads outside" in refused.err
    assert "next: " in refused.err
    assert place.paid == 1


# --- the ledger -----------------------------------------------------------------------


@pytest.mark.parametrize("column", ["charged", "quoted", "refunded"])
async def test_a_ledger_with_negative_units_stops_before_anything_is_paid(
    column, place
):
    await place.play(AN_OAK)
    connection = sqlite3.connect(place.output / "ledger.sqlite3")
    connection.execute(f"UPDATE jobs SET {column} = '-1000'")
    connection.commit()
    connection.close()
    write(place.folder, "knobs.yaml", items("an oak", "an elm"))

    said = [
        await place.type("run", "--yes", "--max-cost", "6"),
        await place.type("run", "--yes", "--max-cost", "6"),
    ]

    assert [one.code for one in said] == [11, 11]
    assert all("has an impossible amount for job 1" in one.err for one in said)
    assert place.paid == 1


# --- links and odd things in the output folder ----------------------------------------

PLACES = [
    "ledger.sqlite3",
    "ledger.sqlite3-wal",
    "ledger.sqlite3-shm",
    "ledger.sqlite3-journal",
    "ledger.lock",
]


@pytest.mark.parametrize("target", ["precious.txt", "new.txt", "theirs.sqlite3"])
@pytest.mark.parametrize("name", PLACES)
async def test_a_file_of_ours_that_is_a_link_is_not_followed(
    name, target, place, hostile, outside
):
    place.output.mkdir()
    link(place.output, name, outside / target)
    commands = [("run", "--yes"), ("fetch",)]
    if name == "ledger.sqlite3":  # without one, who only reads opens none of them
        commands += [("plan",), ("status",)]

    await hostile(11, *commands, says=f"{name} is a link that leads outside")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.lock"])
async def test_a_file_of_ours_that_is_none_is_not_waited_for(
    name, kind, place, hostile
):
    path = place.output / name
    place.output.mkdir()
    make = {
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: open_socket(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/full"),
    }
    make[kind]()

    await hostile(11, ("run", "--yes"), says=name)


@pytest.mark.parametrize("name", ["emulator.jsonl", "emulator.jsonl.files"])
@pytest.mark.parametrize("kind", ["link", "pipe", "wrong", "words"])
async def test_the_emulator_s_state_is_not_followed(
    name, kind, place, hostile, outside
):
    path = place.output / name
    place.output.mkdir()
    if kind == "link":
        path.symlink_to(outside / ("deep" if "files" in name else "new.jsonl"))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('["list"]\n' if kind == "wrong" else "words\n")

    await hostile(11, ("run", "--emulate"), says=name)


async def test_what_is_linked_among_the_emulator_s_files_is_not_written_to(
    place, outside
):
    write(place.folder, "knobs.yaml", REFERENCE)
    assert (await place.type("validate")).code in {0, 2}
    from pipeline.emulator.journal import FileStore

    store = FileStore(place.output / "files")
    store.put("one", b"ours")
    link(place.output / "files", "two.part", outside / "precious.txt")
    link(place.output / "files", "three", outside / "precious.txt")

    store.put("two", b"more of ours")

    assert CANARY in (outside / "precious.txt").read_text()
    assert store.get("two") == b"more of ours"
    assert store.get("three") is None


async def test_a_linked_folder_of_items_is_refused_before_anything_is_paid(
    place, hostile, outside
):
    place.output.mkdir()
    link(place.output, "sub", outside / "deep")
    write(place.folder, "knobs.yaml", AN_OAK.replace("id: a,", "id: sub/deeper/oak,"))

    await hostile(11, says="leads outside of the output folder")


async def test_a_linked_partial_folder_beside_a_plan_is_not_written_through(
    place, outside
):
    write(place.folder, "knobs.yaml", AN_OAK)
    link(place.folder, ".partial", outside / "deep")
    before = everything_in(outside)

    said = await place.type("plan", "--out", str(place.folder / "agreed.plan"))

    assert said.code == 11
    assert "is a link" in said.err
    assert everything_in(outside) == before


async def test_assets_that_are_links_are_neither_read_nor_kept_as_copies(
    place, outside
):
    await place.play(AN_OAK)
    (place.output / "a.png").unlink()
    link(place.output, "a.png", outside / "precious.txt")
    write(place.folder, "knobs.yaml", items("an old oak"))

    verified = await place.command("verify", place.output)
    why = await place.type("why", "a")
    ran = await place.type("run", "--yes", "--keep-old")

    assert verified.code == 3
    assert "leads outside of the output folder" in verified.out
    assert "leads outside of the output folder" in why.out
    assert ran.code == 0, ran.err
    assert not (place.output / "a.png").is_symlink()
    assert list(place.output.glob("*.old-*")) == []
    assert CANARY in (outside / "precious.txt").read_text()
    await place.check_files()


@pytest.mark.parametrize("name", ["b.png", "b.png.json"])
async def test_a_pipe_where_a_renamed_file_shall_go_is_not_waited_for(name, place):
    await place.play(AN_OAK)
    os.mkfifo(place.output / name)
    write(place.folder, "knobs.yaml", AN_OAK.replace("id: a,", "id: b,"))

    said = await place.type("run", "--yes")
    why = await place.type("why", "b")
    pruned = await place.type("prune", "--yes")

    assert said.code in {3, 11}, said.err
    assert {why.code, pruned.code} <= {0, 2, 3, 11}
    assert "Traceback" not in said.err + why.err + pruned.err
    assert place.paid == 1
