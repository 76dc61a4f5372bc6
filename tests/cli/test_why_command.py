"""``pipeline why``: everything about one item, and what to type next."""

import hashlib
import json
import shlex
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from PIL import Image

from pipeline.assets.sidecar import Source, render_sidecar
from pipeline.cli.main import run_command
from pipeline.errors import ExitCode
from pipeline.job import Asset, AssetId, Failure, FailureClass, Job, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.lockfile import lock_path, write_lock
from pipeline.manifest import load_manifest
from pipeline.planning import Selection, make_plan
from pipeline.record import replace
from pipeline.settings import EMULATOR_NAME
from pipeline.storage.folder import Folder

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
SERVICE = "https://api.example/v1"
HEAD = """\
version: 1
model: model_wan-2-7-image
params: {size: 1K}
items:
"""


class Desk:
    """A manifest, its output folder, and the command."""

    def __init__(self, folder, capsys):
        self.folder = folder
        self.name = "m.yaml"
        self._capsys = capsys

    @property
    def output(self):
        return self.folder / "output" / "m"

    def write(self, *items, head=HEAD):
        lines = "".join(f"  - {item}\n" for item in items)
        (self.folder / self.name).write_text(head + lines, encoding="utf-8")

    def record(self, job, **facts):
        """Put an attempt into the ledger; gives it with its row id."""
        self.output.mkdir(parents=True, exist_ok=True)
        with Ledger(self.output / LEDGER_NAME) as ledger:
            ledger.record_facts(**{"base_url": SERVICE, **facts})
            ledger.record_salvaged(job)

    def attempt(self, item_id, **named) -> Job:
        """An attempt at what the manifest asks for now; SAVED unless told."""
        found = []
        make_plan(
            load_manifest(self.folder / self.name),
            Folder(self.output),
            ledger=None,
            selection=Selection(globs=(item_id,)),
            on_item=found.append,
        )
        (planned,) = found
        values = {
            "status": JobStatus.SAVED,
            "request": {
                name: ["asset_ref"] if name == "images" else value
                for name, value in planned.params.items()
            },
            "remote_id": "job_1",
            "base_url": SERVICE,
            "charged": Decimal(3),
            "quoted": Decimal(3),
            "sent_at": NOON,
            "submitted_at": NOON + timedelta(seconds=1),
            "finished_at": NOON + timedelta(seconds=70),
        }
        job: Job = replace(planned.job, **values | named)
        return job

    def make_files(self, job, *names) -> Job:
        """Files with sidecars for a job; gives the job with its assets."""
        self.output.mkdir(parents=True, exist_ok=True)
        assets = tuple(
            Asset(
                asset_id=AssetId(f"asset_{index}"),
                output_index=index,
                path=name,
                sha256=hashlib.sha256(name.encode()).hexdigest(),
                size_bytes=len(name),
                media_type="image/png",
                width_px=512,
                height_px=256,
            )
            for index, name in enumerate(names, start=1)
        )
        ids = tuple(asset.asset_id for asset in assets)
        made: Job = replace(job, assets=assets, remote_assets=ids)
        source = Source(name="m", file=self.name, sha256="0", line=5)
        for asset in assets:
            (self.output / asset.path).write_bytes(asset.path.encode())
            sidecar = render_sidecar(made, asset, source, emulated=False)
            (self.output / f"{asset.path}.json").write_bytes(sidecar)
        return made

    def why(self, item, *options):
        """Exit code, stdout, stderr."""
        code = run_command(["why", self.name, item, *options])
        out, err = self._capsys.readouterr()
        return code, out, err

    def events(self, item, *options):
        _, out, _ = self.why(item, "--json", *options)
        return [json.loads(line) for line in out.splitlines()]

    def next(self, item, *options):
        """The commands to type next."""
        return self.events(item, *options)[-1]["next"]


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, capsys)
    desk.write("{id: oak, prompt: an oak}")
    return desk


def failed(kind, **named):
    failure = Failure(kind=kind, reason="why it failed", hint="do that", trace_id="t-7")
    return {"status": JobStatus.FAILED, "failure": failure, **named}


LOST = {
    "status": JobStatus.UNKNOWN,
    "remote_id": None,
    "charged": None,
    "submitted_at": None,
    "finished_at": None,
    "failure": Failure(kind=None, reason="the connection broke"),
}


# --- what is asked for ------------------------------------------------------------


def test_a_new_item_is_explained_without_any_output_folder(desk):
    code, out, err = desk.why("oak")

    assert (code, err) == (ExitCode.OK, "")
    assert out.splitlines()[0] == "oak: new; a run submits it and pays for it"
    assert "  defined at    m.yaml:5\n" in out
    assert "history: never submitted\n" in out
    assert "next: pipeline run m.yaml --select oak\n" in out
    assert not (desk.folder / "output").exists()


def test_inputs_are_shown_after_substitution_with_defaults_marked(desk):
    desk.write(
        "{id: 'tree-${b}', prompt: 'a ${b} tree', params: {numOutputs: 1},"
        " matrix: {b: [oak, elm]}}"
    )

    _, out, _ = desk.why("tree-elm")

    assert "  defined at    m.yaml:5, as tree-${b}\n" in out
    assert "  prompt        a elm tree\n" in out
    assert "  numOutputs    1 (the model's default)\n" in out
    sent, left = out.split("left to the model's defaults\n")
    assert "imageSetMode" in left
    assert "imageSetMode" not in sent


def test_the_key_is_the_one_that_the_ledger_would_have(desk):
    _, out, _ = desk.why("oak")

    assert f"  key           {desk.attempt('oak').job_key}\n" in out


def test_a_derived_seed_is_told_from_an_explicit_one(desk):
    desk.write("{id: oak, prompt: an oak}", "{id: elm, prompt: e, params: {seed: 7}}")

    _, oak, _ = desk.why("oak")
    _, elm, _ = desk.why("elm")

    assert "(derived from the item's id; not in the key)" in oak
    assert "  seed          7\n" in elm


@pytest.mark.parametrize("uploaded", [False, True])
def test_a_reference_is_shown_by_path_digest_and_asset_id(desk, uploaded):
    head = HEAD.replace("items:", "references: {style: refs/s.png}\nitems:")
    (desk.folder / "refs").mkdir()
    picture = b"\x89PNG\r\n\x1a\n" + b"0" * 64
    (desk.folder / "refs" / "s.png").write_bytes(picture)
    desk.write("{id: oak, prompt: o, params: {images: [ref:style]}}", head=head)
    digest = hashlib.sha256(picture).hexdigest()
    desk.record(desk.attempt("oak"))
    if uploaded:
        with Ledger(desk.output / LEDGER_NAME) as ledger:
            ledger.record_upload(digest, "", AssetId("asset_ref"), NOON)

    _, out, _ = desk.why("oak")

    path = "refs/s.png" if "refs/s.png" in out else "refs\\s.png"
    assert f"  images        style: {path}, {len(picture)} bytes\n" in out
    assert digest in out
    assert ("uploaded as asset_ref" in out) is uploaded
    assert ("not uploaded yet" in out) is not uploaded


def test_what_the_lock_file_alone_knows_is_explained_too(desk):
    job = desk.attempt("oak", status=JobStatus.SUCCEEDED, remote_assets=("asset_1",))
    write_lock(
        lock_path(desk.folder / "m.yaml"), [job], base_url=SERVICE, project_id=""
    )

    _, out, _ = desk.why("oak")

    assert "    job         job_1\n" in out
    assert "    made        asset_1\n" in out
    assert "next: pipeline fetch m.yaml --select oak\n" in out


# --- what happened ----------------------------------------------------------------


def test_attempts_are_told_oldest_first_with_what_the_service_said(desk):
    desk.record(
        desk.attempt(
            "oak",
            **failed(FailureClass.MODERATED, refunded=Decimal("2.50")),
            addons={"quality-gate": Decimal("0.5")},
        )
    )
    desk.record(
        desk.attempt("oak", attempt=2, **LOST, sent_at=NOON + timedelta(days=1))
    )

    _, out, _ = desk.why("oak")

    history = out[out.index("history") :].partition("\n\n")[0]
    assert history.splitlines() == [
        "history, times in UTC",
        "  attempt 1     failed (moderated)",
        "    job         job_1",
        "    times       sent 2026-05-06 12:00:00, submitted 12:00:01, finished 12:01:10",
        "    units       quoted 3, charged 3, refunded 2.5, quality-gate 0.5 of the",
        "                charge",
        "    reason      why it failed",
        "    hint        do that",
        "    trace id    t-7",
        "  attempt 2     unknown",
        "    times       sent 2026-05-07 12:00:00",
        "    units       quoted 3",
        "    reason      the connection broke",
    ]


def test_an_attempt_that_asked_for_something_else_says_in_what(desk):
    desk.record(desk.attempt("oak"))
    desk.write("{id: oak, prompt: another oak, params: {size: 2K}}")

    _, out, _ = desk.why("oak")
    attempt = desk.events("oak")[0]

    assert "    asked for   something else than now: prompt, size\n" in out
    assert (attempt["same_request"], attempt["differs_in"]) == (
        False,
        ["prompt", "size"],
    )


def test_what_the_service_records_differently_is_shown(desk):
    desk.record(desk.attempt("oak", echo={"size": "2K", "prompt": None}))

    _, out, _ = desk.why("oak")

    assert "    echo        size: sent 1K; the service has 2K\n" in out
    assert "    echo        prompt: sent an oak; the service dropped it\n" in out


def test_output_of_the_emulator_says_so_first(desk):
    desk.record(desk.attempt("oak"), base_url=EMULATOR_NAME)

    _, out, _ = desk.why("oak")

    assert out.startswith("EMULATED: nothing is real, nothing was paid\n")


# --- files ------------------------------------------------------------------------


def spoil_nothing(_path):
    pass


def remove(path):
    path.unlink()


def append(path):
    path.write_bytes(path.read_bytes() + b"more")


def scribble(path):
    path.write_bytes(b"x" * path.stat().st_size)


def make_folder(path):
    path.unlink()
    path.mkdir()


def remove_sidecar(path):
    path.with_name(path.name + ".json").unlink()


def scribble_sidecar(path):
    path.with_name(path.name + ".json").write_text("{}")


def take_others_sidecar(path):
    sidecar = path.with_name(path.name + ".json")
    sidecar.write_text(sidecar.read_text().replace("job_1", "job_2"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_nothing, "unchanged"),
        (remove, "MISSING"),
        (append, "CHANGED: 13 bytes instead of 9"),
        (scribble, "CHANGED: the same size, other bytes"),
        (make_folder, "BROKEN: not a file"),
        (remove_sidecar, "MISSING: its sidecar is missing"),
        (scribble_sidecar, "BROKEN: its sidecar cannot be read"),
        (take_others_sidecar, "CHANGED: its sidecar belongs to job job_2"),
    ],
)
def test_each_file_is_held_against_the_ledger(desk, spoil, said):
    desk.write("{id: oak, prompt: o, params: {numOutputs: 2}}")
    desk.record(desk.make_files(desk.attempt("oak"), "oak-1.png", "oak-2.png"))
    desk.record(replace(desk.attempt("oak"), item_id="elm", remote_id="job_2"))
    spoil(desk.output / "oak-2.png")

    _, out, _ = desk.why("oak")

    files = out[out.index("files in") :].splitlines()[1:5]
    assert files == [
        "  oak-1.png     unchanged",
        "                9 bytes, 512 x 256, asset_1",
        f"  oak-2.png     {said}",
        "                9 bytes, 512 x 256, asset_2",
    ]


def test_the_files_are_lines_of_json_with_their_findings(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))

    files = [line for line in desk.events("oak") if line["event"] == "file"]

    assert [(line["path"], line["finding"], line["attempt"]) for line in files] == [
        ("oak.png", "ok", 1)
    ]


def test_nothing_of_it_is_changed(desk):
    job = desk.make_files(desk.attempt("oak"), "oak.png")
    desk.record(job)
    append(desk.output / "oak.png")
    before = {
        path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()
    }

    desk.why("oak")

    after = {
        path: path.read_bytes()
        for path in desk.folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }
    assert after == before


# --- what to do next --------------------------------------------------------------

RUN = "pipeline run m.yaml --select oak"
RESOLVE = "pipeline resolve m.yaml oak --adopt JOB | --resubmit | --give-up"


@pytest.mark.parametrize(
    ("job", "commands"),
    [
        pytest.param(LOST, [RUN, RESOLVE], id="unknown"),
        pytest.param(
            {**LOST, "status": JobStatus.SUBMITTING}, [RUN, RESOLVE], id="submitting"
        ),
        pytest.param({"status": JobStatus.SUBMITTED}, [RUN], id="in flight"),
        pytest.param(
            {"status": JobStatus.SUCCEEDED},
            ["pipeline fetch m.yaml --select oak"],
            id="made",
        ),
        pytest.param(
            failed(FailureClass.DOWNLOAD),
            ["pipeline fetch m.yaml --select oak"],
            id="not downloaded",
        ),
        pytest.param(failed(FailureClass.GENERATION), [RUN], id="failed"),
        pytest.param(failed(FailureClass.MODERATED), [RUN], id="moderated once"),
        pytest.param(failed(FailureClass.TIMED_OUT), [RUN, RESOLVE], id="timed out"),
        pytest.param(failed(FailureClass.LOST), [RUN, RESOLVE], id="lost"),
        pytest.param(
            failed(FailureClass.REFUSED, remote_id=None),
            ["pipeline rerun m.yaml --select oak"],
            id="refused",
        ),
        pytest.param(
            failed(FailureClass.GIVEN_UP),
            ["pipeline rerun m.yaml --select oak"],
            id="given up",
        ),
    ],
)
def test_the_next_command_follows_from_where_the_item_stands(desk, job, commands):
    desk.record(desk.attempt("oak", **job))

    assert desk.next("oak") == commands


def test_a_moderated_item_is_final_after_the_second_time(desk):
    desk.record(desk.attempt("oak", **failed(FailureClass.MODERATED)))
    again = {"attempt": 2, "remote_id": "job_2"}
    desk.record(desk.attempt("oak", **failed(FailureClass.MODERATED), **again))

    code, out, _ = desk.why("oak")

    assert code == ExitCode.OK
    assert "a run leaves it alone" in " ".join(out.split())
    assert "next: pipeline rerun m.yaml --select oak\n" in out


def test_a_finished_item_has_nothing_to_do(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))

    _, out, _ = desk.why("oak")

    assert out.startswith("oak: done; a run leaves it alone\n")
    assert out.endswith("\nnext: nothing to do\n")
    assert desk.next("oak") == []


def test_an_edited_file_can_be_had_again(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))
    append(desk.output / "oak.png")

    _, out, _ = desk.why("oak")

    assert desk.next("oak") == ["pipeline fetch m.yaml --select oak"]
    assert "once you have deleted" in out


def test_the_next_command_names_the_same_place_and_can_be_pasted(desk):
    desk.name = "my 'own' $trees.yaml"
    desk.write("{id: oak, prompt: an oak}")

    (command,) = desk.next("oak", "-o", "out put", "--emulate", "--allow-outside")

    assert shlex.split(command) == [
        *("pipeline", "run", desk.name, "--select", "oak"),
        *("--output", "out put", "--emulate", "--allow-outside"),
    ]


# --- items that the manifest does not have -----------------------------------------


def test_an_item_that_the_ledger_alone_has_is_an_orphan(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))
    desk.write("{id: elm, prompt: an elm}")

    code, out, _ = desk.why("oak")

    assert code == ExitCode.OK
    assert out.startswith("oak: an orphan: ")
    assert "  attempt 1     saved\n" in out
    assert "  oak.png       unchanged\n" in out


def test_an_orphan_that_is_under_way_is_collected_by_any_run(desk):
    desk.record(desk.attempt("oak", status=JobStatus.SUBMITTED))
    desk.write("{id: elm, prompt: an elm}")

    assert desk.next("oak") == ["pipeline run m.yaml"]


def test_a_renamed_item_is_explained_under_either_name(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))
    desk.write("{id: old-oak, prompt: an oak}")

    _, new, _ = desk.why("old-oak")
    _, old, _ = desk.why("oak")

    assert new.startswith("old-oak: renamed from oak; a run renames its files, free\n")
    assert "  attempt 1     saved, as oak\n" in new
    assert old.startswith("oak: renamed to old-oak; a run renames its files, free\n")
    assert desk.next("old-oak") == desk.next("oak")
    assert desk.next("oak") == ["pipeline run m.yaml --select old-oak"]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("tree-foest", "did you mean 'tree-forest', 'tree-desert'?"),
        ("DESERT", "did you mean 'tree-desert'?"),
        ("Oak", "did you mean 'oak'?"),
        ("gone", "did you mean 'gone-1'?"),
        ("tree-*", "did you mean 'tree-"),
        ("zzz", "--long lists all items"),
        ("", "--long lists all items"),
    ],
)
def test_an_unknown_item_is_a_usage_error_with_the_nearest_ids(desk, typed, hint):
    desk.record(replace(desk.attempt("oak"), item_id="gone-1"))
    desk.write(
        "{id: oak, prompt: an oak}",
        "{id: 'tree-${b}', prompt: 'a ${b}', matrix: {b: [forest, desert]}}",
    )

    code, out, err = desk.why(typed)

    assert (code, out) == (ExitCode.USAGE, "")
    assert hint in err


def test_a_faulty_manifest_is_a_usage_error(desk):
    desk.write("{id: oak, prompt: an oak, sead: 7}")

    code, out, err = desk.why("oak")

    assert (code, out) == (ExitCode.USAGE, "")
    assert "m.yaml:5:" in err


# --- what is shown ----------------------------------------------------------------


def test_foreign_text_cannot_steer_the_terminal(desk):
    evil = "\x1b[2J\x07"
    failure = Failure(
        kind=FailureClass.REFUSED, reason=evil + "no", hint=evil, trace_id=evil
    )
    desk.record(
        desk.attempt(
            "oak",
            status=JobStatus.FAILED,
            failure=failure,
            remote_id=evil,
            echo={f"size{evil}": evil},
            addons={evil: Decimal(1)},
        )
    )

    _, out, _ = desk.why("oak")
    _, _, err = desk.why(evil)

    assert "\x1b" not in out + err
    assert "\x07" not in out + err


def test_lines_fit_a_terminal_but_for_words_and_commands_that_do_not(desk):
    prompt = "a very long prompt about trees " * 20
    desk.write(f"{{id: oak, prompt: '{prompt}', params: {{numOutputs: 2}}}}")
    long = {"reason": "it was refused for many reasons " * 10, "hint": "wait " * 40}
    desk.record(
        desk.attempt(
            "oak",
            status=JobStatus.FAILED,
            failure=Failure(kind=FailureClass.GENERATION, **long),
            echo={"prompt": "another prompt " * 20},
        )
    )

    _, out, _ = desk.why("oak")

    wide = [line for line in out.splitlines() if len(line) > 80]
    assert wide == []


def test_the_last_line_of_json_has_the_whole_decision(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))

    events = desk.events("oak")

    last = events[-1]
    assert [line["event"] for line in events] == ["attempt", "file", "why"]
    assert (last["action"], last["reason"], last["line"]) == ("done", "done", 5)
    assert last["job_key"] == desk.attempt("oak").job_key
    assert {given["name"]: given["value"] for given in last["inputs"]}["prompt"] == (
        "an oak"
    )
    assert (events[0]["charged"], events[0]["class"]) == (3, None)


# --- pointers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("oak.png", "there is only its Git LFS pointer"),
        ("oak.png.json", "its sidecar is a Git LFS pointer"),
    ],
)
def test_a_pointer_in_the_place_of_a_file_is_said(desk, name, said):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))
    path = desk.output / name
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n"
    path.write_text(f"{text}size {len(content)}\n")

    (file,) = [line for line in desk.events("oak") if line["event"] == "file"]

    assert (file["finding"], file["detail"]) == ("missing", said)
    assert desk.next("oak") == ["pipeline fetch m.yaml --select oak"]


def test_a_reference_that_is_turned_upright_is_said(desk):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(desk.folder / "photo.jpg", exif=exif)
    head = HEAD.replace(
        "items:", "references: {r: {file: photo.jpg, upright: true}}\nitems:"
    )
    desk.write("{id: oak, prompt: an oak, params: {images: [ref:r]}}", head=head)

    _, text, _ = desk.why("oak")
    inputs = {one["name"]: one["value"] for one in desk.events("oak")[-1]["inputs"]}

    assert "bytes, turned upright" in text
    assert inputs["images"][0]["upright"] is True


# --- what an item is made from


def test_the_output_of_another_item_is_named_and_whether_it_is_made(desk):
    desk.write(
        "{id: oak, prompt: an oak}",
        "{id: leaf, prompt: a leaf, params: {images: ['item:oak']}}",
    )

    _, text, _ = desk.why("leaf")
    (images,) = (
        one["value"]
        for one in desk.events("leaf")[-1]["inputs"]
        if one["name"] == "images"
    )

    assert "  uses          oak\n" in text
    assert "output 1 of oak: not made yet" in text
    assert images == [{"item_id": "oak", "output": 1, "sha256": None, "asset_id": None}]


def test_an_input_that_is_a_mapping_is_shown_entry_by_entry(desk):
    head = HEAD.replace("model_wan-2-7-image", "model_of-our-own")
    desk.write("{id: oak, prompt: o, params: {look: {light: noon, age: 7}}}", head=head)

    _, text, _ = desk.why("oak")
    shown = {one["name"]: one["value"] for one in desk.events("oak")[-1]["inputs"]}

    assert "  look          light: noon\n                age: 7\n" in text
    assert shown["look"] == {"light": "noon", "age": 7}


def test_a_take_that_is_not_made_yet_says_so(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))
    desk.write("{id: oak, prompt: an oak, takes: 2}")

    _, text, _ = desk.why("oak")

    assert "wanted, not made yet" in text


def test_a_file_made_from_another_says_from_what_and_how(desk):
    made = desk.make_files(desk.attempt("oak"), "oak.png")
    (asset,) = made.assets
    asset = replace(
        asset,
        original_sha256="0" * 64,
        original_size_bytes=5000,
        recipe="webp, 90",
        width_px=None,
        height_px=None,
    )
    desk.record(replace(made, assets=(asset,)))

    _, text, _ = desk.why("oak")

    assert "made from 5,000 bytes: webp, 90" in text
    assert "7 bytes, asset_1\n" in text  # and no size of a picture


def test_in_a_narrow_terminal_texts_stand_below_their_labels(desk, monkeypatch):
    monkeypatch.setattr("pipeline.cli.why.find_width", lambda: 40)
    desk.write("{id: oak, prompt: 'an oak with very many leaves, at noon'}")

    _, text, _ = desk.why("oak")

    assert "  prompt\n    an oak with very many leaves, at\n    noon" in text


def test_without_a_terminal_that_can_show_pictures_it_says_so(desk):
    desk.record(desk.make_files(desk.attempt("oak"), "oak.png"))

    code, _, err = desk.why("oak", "--pictures")

    assert code is ExitCode.OK
    assert "--pictures: there is no terminal that can show pictures" in err
