"""Hostile manifests, and other files that a person names: one message, nothing paid.

Each case: no hang, no traceback, the exit code as documented, nothing read or written
outside of the folders, and no secret in what is said.
"""

import json
import os
import sys

import pytest
from doubles.hostile_files import AN_OAK, CANARY, REFERENCE, link, open_socket, write
from doubles.place import items
from knobs.world import HEAD

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")

ROWS = HEAD + "items:\n  - {id: '${slug}', prompt: '${what}', rows: data.csv}\n"


# --- manifests, and what they name --------------------------------------------------


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
    "rows: a pipe": (ROWS, lambda at: os.mkfifo(at / "data.csv"), "not a regular file"),
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
        "not a regular file",
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


# --- other files that a person names ------------------------------------------------


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
        await hostile(2, ("plan", "--out", str(path)), says="not a saved plan")
    if kind != "a device":  # it has no end, so only its start is looked at
        await hostile(2, ("run", "--yes", "--plan", str(path)), says="plan")


async def test_a_log_that_nobody_reads_is_not_waited_for(place, hostile):
    os.mkfifo(place.folder / "log")

    await hostile(11, ("run", "--yes", "--log-file", "log"), says="cannot write log")
