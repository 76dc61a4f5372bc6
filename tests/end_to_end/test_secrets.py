"""No secret is written, printed or shown in the process list, whatever goes wrong."""

import base64
import sys
import textwrap
from pathlib import Path

import pytest
from doubles.shell import KEY, SECRET, manifest_of, sidecars_in

from pipeline.emulator import Emulator, EmulatorProfile

BASIC = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
URL_SECRETS = ("Signature=", "Policy=", "Key-Pair-Id=", "X-Amz-Signature=")
SECRETS = (
    KEY,
    SECRET,
    BASIC,
    base64.urlsafe_b64encode(f"{KEY}:{SECRET}".encode()).decode(),
    base64.b64encode(SECRET.encode()).decode().rstrip("="),
    *URL_SECRETS,
)
FAULTS = {
    "list-503": 0.1,
    "list-502-html": 0.1,
    "list-garbage": 0.1,
    "bulk-garbage": 0.1,
    "cdn-403": 0.1,
    "cdn-500": 0.1,
    "cdn-truncated": 0.1,
}
SCRIPTED = (
    "submit-drop-after",
    "submit-500-before",
    "submit-garbage",
    "upload-500",
    "bulk-429",
    "bulk-truncated",
    "cdn-redirect",
    "cdn-wrong-bytes",
    "cdn-reset",
    "poll-500",
    "poll-garbage",
    "poll-truncated",
)
BATCH = manifest_of(
    "an oak",
    "an elm [fail]",
    "an ash [moderate]",
    "a yew [jpeg]",
    "a fir [cancel]",
    "a lime [asset-error]",
    "an alder",
    "a birch [slow=6]",
).replace("items:\n", "references: {style: style.png}\nitems:\n") + (
    "  - {id: ref, prompt: a beech, params: {images: ref:style}}\n"
    "  - {id: refused, prompt: a pine, params: {images: [asset_of_nobody]}}\n"
)


def hits(everything: dict[str, bytes]) -> list[tuple[str, str]]:
    """Every secret with the place in which it stands."""
    return [
        (secret, where)
        for secret in SECRETS
        for where, data in everything.items()
        if secret.encode() in data
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
async def faulty(shell):
    """A service that breaks in every way, and a batch in which every end is met."""
    from PIL import Image

    Image.new("RGB", (48, 24), "teal").save(shell.folder / "style.png")
    shell.write(BATCH)
    profile = EmulatorProfile.of(seed=11, fixed_size_px=16, job_seconds=(0.05, 0.3))
    async with Emulator(profile=profile, faults=FAULTS) as emulator:
        for fault in SCRIPTED:
            emulator.faults.next(fault)
        shell.use(emulator)
        yield emulator


def test_the_search_would_find_every_secret():
    for secret in SECRETS:
        assert (secret, "log") in hits({"log": f"a {secret} b".encode()})


async def test_a_faulty_batch_leaves_no_secret_anywhere(shell, faulty):
    lines: dict[str, bytes] = {}
    arguments = ("--json", "--debug", "--log-file", "all.log", "--settle", "1")
    async with shell.start("run", "trees.yaml", "--yes", *arguments) as running:
        await running.until('"submitted"')
        if sys.platform == "linux":
            own = Path("/proc") / str(running.process.pid)
            lines["cmdline"] = (own / "cmdline").read_bytes()
            status = (own / "status").read_text()
            lines["status"] = status.encode()
        during = files_in(shell.folder)
        done = await running.end()

    log = (shell.folder / "all.log").read_bytes()
    faults = faulty.counters()["faults"]
    assert done.code == 3, done.err[-2000:]
    assert done.events[-1]["counts"]["failed"] >= 3
    # The batch was as faulty, and the log as talkative, as it should have been.
    assert set(faults) >= set(SCRIPTED)
    assert b"get-bulk" in log
    assert b'"url":"http://127.0.0.1:' in log
    assert b"/generate/custom/" in done.err.encode()
    assert "ledger.sqlite3-wal" in {Path(name).name for name in during}
    assert len(sidecars_in(shell.output)) >= 5
    everything = {
        "stdout": done.out.encode(),
        "stderr": done.err.encode(),
        **lines,
        **{f"during {name}": data for name, data in during.items()},
        **files_in(shell.folder),
    }
    assert hits(everything) == []
    assert faulty.counters()["credentials_at_cdn"] == 0
    assert faulty.counters()["credentials_at_parts"] == 0


@pytest.mark.parametrize(
    "fault", ["account-401", "submit-403", "submit-402", "account-garbage"]
)
async def test_a_run_that_is_refused_tells_no_secret(fault, shell, emulated):
    emulated.faults.next(fault)
    done = await shell.run(
        "run", "trees.yaml", "--yes", "--debug", "--log-file", "all.log"
    )

    assert "Traceback" not in done.err
    assert f"{fault}" in emulated.counters()["faults"]
    files = files_in(shell.folder)
    assert hits({"out": done.out.encode(), "err": done.err.encode(), **files}) == []


async def test_every_command_keeps_the_secrets(shell, emulated):
    await shell.run("run", "trees.yaml", "--yes")
    (shell.output / "a.png").unlink()
    said = {}
    for command in (
        ("doctor", "trees.yaml"),
        ("plan", "trees.yaml", "--json"),
        ("status", "trees.yaml", "--json"),
        ("fetch", "trees.yaml", "--debug"),
        ("verify", "output/trees", "--json"),
        ("resolve", "trees.yaml", "a", "--adopt", "job_x"),
    ):
        done = await shell.run(*command)
        said[command[0]] = (done.out + done.err).encode()
        assert said[command[0]]

    assert hits(said) == []


CRASH = """\
    import asyncio, os, sys
    from pipeline import Credentials, run
    from pipeline.running.events import JobChanged

    def crash(event):
        if isinstance(event, JobChanged) and event.status == {status!r}:
            raise ZeroDivisionError("a bug of the caller's")

    asyncio.run(run("trees.yaml", output="out", on_event=crash, credentials=Credentials(
        key=os.environ["SCENARIO_SDK_API_KEY"],
        secret=os.environ["SCENARIO_SDK_API_SECRET"],
        base_url=os.environ["SCENARIO_BASE_URL"],
    )))
"""


@pytest.mark.parametrize("status", ["submitted", "unknown", "saved"])
async def test_the_traceback_of_a_bug_shows_no_secret(status, shell, emulated):
    if status == "unknown":
        emulated.faults.next("submit-drop-after")
    program = textwrap.dedent(CRASH).format(status=status)
    async with shell.start(program=("-c", program)) as running:
        done = await running.end()

    assert done.code == 1
    assert "Traceback" in done.err
    assert "ZeroDivisionError" in done.err
    files = files_in(shell.folder)
    assert hits({"out": done.out.encode(), "err": done.err.encode(), **files}) == []


async def test_credentials_that_are_shown_or_sent_wrong_keep_the_secret(shell):
    """Refused before anything is sent: the message may not repeat them."""
    shell.write(manifest_of("an oak"))
    for name, value in (
        ("SCENARIO_BASE_URL", f"http://{KEY}:{SECRET}@127.0.0.1:9/v1"),
        ("SCENARIO_SDK_API_SECRET", f"{SECRET}\u00e9"),
        ("SCENARIO_SDK_API_KEY", f"{KEY}:{SECRET}"),
    ):
        environment = {
            "SCENARIO_SDK_API_KEY": KEY,
            "SCENARIO_SDK_API_SECRET": SECRET,
            "SCENARIO_BASE_URL": "http://127.0.0.1:9/v1",
            name: value,
        }
        done = await shell.run("run", "trees.yaml", "--yes", **environment)

        assert done.code in {2, 6}
        assert hits({"out": done.out.encode(), "err": done.err.encode()}) == []


@pytest.fixture
async def emulated(shell):
    shell.write(manifest_of("an oak"))
    profile = EmulatorProfile.of(seed=7, fixed_size_px=16, job_seconds=(0.05, 0.1))
    async with Emulator(profile=profile) as emulator:
        shell.use(emulator)
        yield emulator
