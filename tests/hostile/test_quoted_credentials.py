"""A service that quotes our credentials in all it says: none of it is kept or shown."""

import base64
import json
import sqlite3
import textwrap
from pathlib import Path
from urllib.parse import quote

import pytest
from doubles.network import API_HOST, ConnectProxy, Mirror
from doubles.shell import manifest_of

from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.models.catalog import CACHE_VARIABLE
from pipeline.settings import KEY_VARIABLE, SECRET_VARIABLE

SIGNED = "Policy=eyJTdGF0ZW1lbnQiOltdfQ__&Signature=canary~sig-x_y&Key-Pair-Id=K2CANARY"
AMAZON = "X-Amz-Algorithm=AWS4&X-Amz-Signature=c0ffee"


class Login:
    """Canaries of one place."""

    def __init__(self, place: str) -> None:
        self.key = f"api_Canary+Key/{place}"
        self.secret = f"Canary=Secret/{place}+0"
        pair = f"{self.key}:{self.secret}"
        self.basic = base64.b64encode(pair.encode()).decode()

    @property
    def variables(self) -> dict[str, str]:
        return {KEY_VARIABLE: self.key, SECRET_VARIABLE: self.secret}

    @property
    def forms(self) -> list[str]:
        halves = [
            base64.b64encode(t.encode()).decode() for t in (self.key, self.secret)
        ]
        shown = [self.key, self.secret, self.basic, *(h.rstrip("=") for h in halves)]
        return [
            *shown,
            *(quote(text, safe="") for text in shown),
            *(text.replace("/", "\\/") for text in shown),
            base64.urlsafe_b64encode(f"{self.key}:{self.secret}".encode()).decode(),
        ]


PLACES = ("environment", "dotenv", "keyring")
LOGINS = {place: Login(place) for place in PLACES}
CANARIES = [
    *dict.fromkeys(form for login in LOGINS.values() for form in login.forms),
    "Policy=",
    "Signature=",
    "Key-Pair-Id=",
    "X-Amz-",
]


def hits(everything: dict[str, bytes]) -> list[tuple[str, str]]:
    return [
        (canary, where)
        for canary in CANARIES
        for where, data in everything.items()
        if canary.encode() in data
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {".env", "canaries.json", "ca.pem"}
    }


class Parrot:
    """Says again, in every text of every answer, who asked and with what."""

    def __init__(self) -> None:
        self.answered: set[str] = set()
        self.quoted = 0

    def __call__(self, request, status, body):
        said = request.headers.get("Authorization", "")
        pair = base64.b64decode(said.removeprefix("Basic ")).decode()
        text = (
            f"Invalid key=value pair in Authorization header: '{said}' ({pair});"
            f" halves {' and '.join(pair.split(':'))}, quoted {quote(pair, safe='')};"
            f" see https://cdn.example/a?{SIGNED} and https://s3.example/?{AMAZON}"
        )
        headers = {"X-Echo": said, "Set-Cookie": f"a={said}"}
        self.quoted += 1
        if refused := self._refusal(request):
            status, form = refused
            return status, form(text), headers
        try:
            record = json.loads(body)
        except ValueError:
            return status, body, headers
        return status, self._encoded(self._stuffed(record, text)), headers

    def _refusal(self, request):
        """The first of each kind of request about a prompt that asks for it."""
        for status, word, form in (
            (400, "400", lambda text: json.dumps({"reason": text, "hint": text})),
            (404, "404", lambda text: json.dumps({"error": {"message": text}})),
            (422, "422", lambda text: json.dumps({"detail": text, "trace_id": text})),
            (502, "502", lambda text: f"<html><b>{text}</b></html>"),
            (500, "500", lambda text: text),
            (200, "200", lambda text: f"no JSON but {text}"),
        ):
            name = f"{request.method} {word}"
            is_meant = f"answer {word}" in self._asked(request)
            if is_meant and not (
                word in {"502", "500", "200"} and name in self.answered
            ):
                self.answered.add(name)
                return status, lambda text, form=form: form(text).encode()
        return None

    def _asked(self, request):
        body = request._read_bytes or b""
        return "" if "dryRun" in request.query else body.decode("utf-8", "replace")

    def _stuffed(self, record, text):
        if isinstance(record, list):
            return [self._stuffed(value, text) for value in record]
        if not isinstance(record, dict):
            return record
        record = {name: self._stuffed(value, text) for name, value in record.items()}
        if "inputs" in record:  # of a model: what it takes has to stay known
            record["description"] = text
        elif "type" not in record:
            record |= {"name": text, "debug": text}
        if "jobType" in record or "statusHistory" in record:
            metadata = record.setdefault("metadata", {})
            metadata |= {"error": text, "hint": text, text: text}
            inputs = metadata.get("input")
            if inputs:
                inputs |= {"negativePrompt": text}
                if "changed" in str(inputs.get("prompt")):
                    inputs["prompt"] = text
        return record

    def _encoded(self, record):
        body = json.dumps(record).replace("/", "\\/")
        return (
            body.replace("=", "\\u003d").encode() if self.quoted % 2 else body.encode()
        )


KEYRING = """\
import json, pathlib
def get_password(service, name):
    return json.loads(pathlib.Path({path!r}).read_text()).get(name)
"""


@pytest.fixture
async def hostile(shell, tmp_path, request):
    """A shell whose credentials are in one place, others in the places after it."""
    place = getattr(request, "param", "environment")
    home = tmp_path / "home"
    home.mkdir()
    library = tmp_path / "library" / "keyring"
    library.mkdir(parents=True)
    ring = tmp_path / "canaries.json"
    ring.write_text(json.dumps(LOGINS["keyring"].variables))
    (library / "__init__.py").write_text(KEYRING.format(path=str(ring)))
    (library / "errors.py").write_text("class KeyringError(Exception): ...\n")
    shell.environment |= {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        CACHE_VARIABLE: str(tmp_path / "models"),
        "PYTHONPATH": f"{library.parent}:{shell.environment['PYTHONPATH']}",
    }
    if place == "environment":
        shell.environment |= LOGINS[place].variables
    if place in {"environment", "dotenv"}:
        lines = [f"{n}='{v}'" for n, v in LOGINS["dotenv"].variables.items()]
        (tmp_path / ".env").write_text("\n".join(lines) + "\n")
    profile = EmulatorProfile.of(seed=7, fixed_size_px=16, job_seconds=(0.05, 0.2))
    parrot = Parrot()
    async with (
        Emulator(profile=profile) as emulator,
        Mirror(emulator, tmp_path / "ca.pem", parrot) as mirror,
        ConnectProxy(mirror.port) as proxy,
    ):
        shell.environment |= {
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        }
        yield emulator, mirror, parrot, LOGINS[place]


BATCH = manifest_of(
    "an oak",
    "an elm [fail]",
    "an ash [moderate]",
    "a yew, changed",
    "a fir, answer 400",
    "a lime, answer 404",
    "an alder, answer 422",
    "a birch, answer 502",
    "a pine, answer 500",
    "a cedar, answer 200",
    "a larch [cancel]",
)


@pytest.mark.parametrize("hostile", PLACES, indirect=True)
async def test_what_a_service_quotes_of_us_is_nowhere(shell, hostile):
    _, mirror, parrot, login = hostile
    shell.write(BATCH)
    arguments = ("--json", "--debug", "--log-file", "all.log", "--settle", "1")
    async with shell.start("run", "trees.yaml", "--yes", *arguments) as running:
        await running.until('"saved"')
        during = files_in(shell.folder)
        done = await running.end()

    # It was asked as who we are, has quoted it, and it was kept as far as it is kept.
    said = {head["Authorization"] for host, _, head in mirror.heads if host == API_HOST}
    assert said == {f"Basic {login.basic}"}
    assert parrot.quoted > 10
    assert parrot.answered >= {f"POST {n}" for n in (400, 404, 422, 500, 502, 200)}
    assert done.code in {3, 5}, done.err[-2000:]
    assert "ledger.sqlite3-wal" in {Path(name).name for name in during}
    assert done.events[-1]["counts"]["failed"] >= 3  # the refused ones were made
    assert "[secret]" in done.out
    assert "[secret]" in done.err
    assert "[secret]" in (shell.folder / "all.log").read_text()
    with sqlite3.connect(shell.output / "ledger.sqlite3") as ledger:
        kept = ledger.execute("SELECT failure_reason, failure_hint, echo FROM jobs")
        assert "[secret]" in str(kept.fetchall())
    assert "[secret]" in (shell.output / "d.png.json").read_text()
    assert (shell.folder / "trees.yaml.lock").exists()
    assert any((shell.folder / "models").rglob("*"))
    everything = {
        "stdout": done.out.encode(),
        "stderr": done.err.encode(),
        **{f"during {name}": data for name, data in during.items()},
        **files_in(shell.folder),
    }
    assert hits(everything) == []


async def test_what_other_commands_say_of_it_is_clean(shell, hostile):
    shell.write(BATCH)
    await shell.run("run", "trees.yaml", "--yes", "--settle", "1")
    said = {}
    for command in (
        ("doctor", "trees.yaml"),
        ("plan", "trees.yaml", "--json"),
        ("status", "trees.yaml", "--json"),
        ("status", "trees.yaml"),
        ("why", "trees.yaml", "e"),
        ("why", "trees.yaml", "d", "--json"),
        ("spend", "output/trees"),
        ("verify", "output/trees", "--json"),
        ("schema", "model_wan-2-7-image"),
    ):
        done = await shell.run(*command)
        said[" ".join(command)] = (done.out + done.err).encode()
        assert said[" ".join(command)]

    assert hits({**said, **files_in(shell.folder)}) == []


async def test_a_ledger_from_before_is_shown_clean(shell, hostile):
    """What an earlier version has kept is not shown by this one."""
    login = hostile[-1]
    shell.write(manifest_of("an elm [fail]"))
    await shell.run("run", "trees.yaml", "--yes")
    with sqlite3.connect(shell.output / "ledger.sqlite3") as ledger:
        kept = f"quoted: {login.basic} {login.secret} ?{SIGNED}"
        ledger.execute("UPDATE jobs SET failure_reason = ?", (kept,))

    for arguments in (("status", "--json"), ("status",), ("why",), ("why", "--json")):
        command: str = arguments[0]
        item = ("a",) if command == "why" else ()
        done = await shell.run(arguments[0], "trees.yaml", *item, *arguments[1:])
        assert hits({"out": done.out.encode(), "err": done.err.encode()}) == []
        assert "quoted: " in done.out + done.err or "--json" in arguments


BUG = """\
    import asyncio, sys
    import pipeline.operations.run
    from pipeline.cli.main import main
    async def run(*_, **__):
        raise ZeroDivisionError({said!r})
    pipeline.operations.run.run = run
    sys.argv = ["pipeline", "run", "trees.yaml", "--emulate", "--debug"]
    main()
"""


@pytest.mark.parametrize("place", ["environment", "dotenv"])
async def test_the_traceback_of_a_bug_is_clean(place, shell, hostile):
    login = LOGINS[place]
    shell.write(manifest_of("an oak"))
    program = textwrap.dedent(BUG).format(said=f"{login.secret} Basic {login.basic}")
    async with shell.start(program=("-c", program)) as running:
        done = await running.end()

    assert done.code == 1
    assert "ZeroDivisionError: [secret] Basic [secret]" in done.err
    assert hits({"out": done.out.encode(), "err": done.err.encode()}) == []


@pytest.mark.parametrize("command", ["validate", "plan", "run", "status", "prune"])
async def test_a_file_of_the_user_s_that_holds_a_secret_is_not_read_aloud(
    command, shell, hostile
):
    for name, login in LOGINS.items():
        if name == "keyring":
            continue  # nobody has asked it: what it holds is not known
        lines = "\n".join(f"{n}={v}" for n, v in login.variables.items())
        (shell.folder / "data.csv").write_text(lines)
        shell.write(
            manifest_of("a ${what}").replace("params: {}}", "rows: data.csv}")
            + f"# {login.key}\n"
        )
        more = ("--emulate",) if command != "validate" else ()
        done = await shell.run(command, "trees.yaml", *more)

        assert done.code == 2
        assert hits({"out": done.out.encode(), "err": done.err.encode()}) == []
        assert "API key or secret" in done.err + done.out
