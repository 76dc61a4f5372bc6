"""Plan: which items a command is about, what each becomes, and what is counted."""

import hashlib
import itertools
import os
from pathlib import Path

import pytest
from doubles.tables import shipped_model

from pipeline.errors import UsageError
from pipeline.fingerprint import job_key
from pipeline.job import (
    SIDECAR_SUFFIX,
    Asset,
    AssetId,
    Failure,
    FailureClass,
    JobStatus,
    RemoteId,
)
from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.manifest import load_manifest
from pipeline.planning import Action, Selection, make_plan
from pipeline.record import replace
from pipeline.storage.folder import Folder

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"
TREES = "items:\n" + "".join(
    f"  - {{id: {name}, prompt: {name}}}\n" for name in ("oak", "elm", "fir", "yew")
)


class Desk:
    """A manifest, a ledger and an output folder to plan with."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.ledger = Ledger(IN_MEMORY)
        self.remote = itertools.count(1)

    def plan(self, text=TREES, **selection):
        path = self.folder / "icons.yaml"
        path.write_text(HEAD + text)
        return make_plan(
            load_manifest(path),
            Folder(self.output),
            ledger=self.ledger,
            selection=Selection(**selection),
        )

    def entry(self, text=TREES, item_id="oak", **selection):
        plan = self.plan(text, **selection)
        return next(item for item in plan.entries() if item.item.item_id == item_id)

    def record(self, planned, status, *, kind=None, request=None):
        """Bring the planned job to this status, as a run would."""
        request = planned.params if request is None else request
        job = self.ledger.record_submitting(replace(planned.job, request=request))
        if status is JobStatus.SUBMITTING:
            return job
        if status is JobStatus.UNKNOWN:
            return self.ledger.record_unknown(job)
        if status is JobStatus.FAILED:
            failure = Failure(kind=kind, reason="because")
            return self.ledger.record_failed(replace(job, failure=failure))
        remote_id = RemoteId(f"job_{next(self.remote)}")
        job = self.ledger.record_submitted(replace(job, remote_id=remote_id))
        if status is JobStatus.SUBMITTED:
            return job
        job = self.ledger.record_succeeded(job)
        path = f"{job.item_id}.png"
        content = b"picture"
        asset = Asset(
            asset_id=AssetId("asset_1"),
            output_index=1,
            path=path,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            media_type="image/png",
            width_px=1,
            height_px=1,
        )
        self.output.mkdir(exist_ok=True)
        (self.output / path).write_bytes(content)
        (self.output / (path + SIDECAR_SUFFIX)).write_text("{}")
        return self.ledger.record_saved(replace(job, assets=(asset,)))


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.ledger.close()


def ids(plan):
    return [planned.item.item_id for planned in plan.entries()]


# --- which items -----------------------------------------------------------------------


def test_everything_is_new_without_a_ledger(desk):
    plan = desk.plan()

    assert plan.counts == {Action.SUBMIT: 4}
    assert (plan.total, plan.to_submit, plan.to_do) == (4, 4, 4)
    assert ids(plan) == ["oak", "elm", "fir", "yew"]


@pytest.mark.parametrize(
    ("globs", "chosen"),
    [
        (("oak",), ["oak"]),
        (("*",), ["oak", "elm", "fir", "yew"]),
        (("?a?", "y*"), ["oak", "yew"]),
        (("[ef]*",), ["elm", "fir"]),
    ],
    ids=str,
)
def test_select_is_matched_against_whole_ids(desk, globs, chosen):
    assert ids(desk.plan(globs=globs)) == chosen


@pytest.mark.parametrize("glob", ["OAK", "a", "oa"])
def test_a_selection_of_nothing_is_a_mistake_and_says_of_how_many(desk, glob):
    with pytest.raises(UsageError, match="none of the 4 items"):
        desk.plan(globs=(glob,))


def test_a_limit_counts_what_is_to_do_and_lets_the_done_ones_through(desk):
    desk.record(desk.entry(item_id="oak"), JobStatus.SAVED)

    plan = desk.plan(limit=2)

    assert ids(plan) == ["oak", "elm", "fir"]
    assert plan.counts == {Action.DONE: 1, Action.SUBMIT: 2}


def test_a_limit_of_nothing_submits_nothing(desk):
    assert desk.plan(limit=0).total == 0


def test_a_limit_holds_again_each_time_the_plan_is_gone_through(desk):
    plan = desk.plan(limit=2)

    assert ids(plan) == ids(plan) == ["oak", "elm"]


def test_rerun_is_about_what_failed_and_what_is_unsure(desk):
    entries = {planned.item.item_id: planned for planned in desk.plan().entries()}
    desk.record(entries["oak"], JobStatus.FAILED, kind=FailureClass.REFUSED)
    desk.record(entries["elm"], JobStatus.SAVED)
    desk.record(entries["fir"], JobStatus.UNKNOWN)

    plan = desk.plan(only_failed=True)

    assert plan.counts == {Action.SUBMIT: 1, Action.SETTLE: 1}
    assert ids(plan) == ["oak", "fir"]


def test_rerun_of_nothing_is_no_mistake(desk):
    assert desk.plan(only_failed=True, globs=("oak",)).total == 0


def test_fetch_is_about_nothing_that_would_be_paid(desk):
    desk.record(desk.entry(item_id="oak"), JobStatus.SAVED)
    (desk.output / "oak.png").unlink()

    plan = desk.plan(only_fetch=True)

    assert plan.counts == {Action.FETCH: 1}


def test_force_makes_again_what_is_done(desk):
    saved = desk.record(desk.entry(item_id="oak"), JobStatus.SAVED)

    planned = desk.entry(force=True, globs=("oak",))

    assert planned.action is Action.SUBMIT
    assert planned.job.attempt == saved.attempt + 1
    assert planned.job.row_id == 0


# --- what each becomes ------------------------------------------------------------------


def test_a_saved_item_is_done(desk):
    desk.record(desk.entry(), JobStatus.SAVED)

    assert desk.entry().action is Action.DONE
    assert desk.plan().to_do == 3


@pytest.mark.parametrize("missing", ["oak.png", "oak.png.json"])
def test_a_saved_item_whose_asset_or_sidecar_is_missing_is_fetched(desk, missing):
    saved = desk.record(desk.entry(), JobStatus.SAVED)
    (desk.output / missing).unlink()

    planned = desk.entry()

    assert planned.action is Action.FETCH
    assert planned.job.row_id == saved.row_id


def test_a_file_that_was_emptied_is_missing(desk):
    desk.record(desk.entry(), JobStatus.SAVED)
    (desk.output / "oak.png").write_bytes(b"")

    assert desk.entry().action is Action.FETCH


def test_a_changed_prompt_is_a_new_attempt(desk):
    desk.record(desk.entry(), JobStatus.SAVED)

    planned = desk.entry("items: [{id: oak, prompt: an older oak}]\n")

    assert (planned.action, planned.sign) == (Action.SUBMIT, "~")
    assert planned.reason == "prompt changed (line 3)"
    assert planned.job.attempt == 2


def test_a_new_attempt_counts_on_from_the_highest_of_any_request(desk):
    texts = [f"items: [{{id: oak, prompt: oak {number}}}]\n" for number in range(3)]
    for text in texts:
        desk.record(desk.entry(text), JobStatus.FAILED, kind=FailureClass.GENERATION)

    assert desk.entry(texts[0]).job.attempt == 4


def item(params):
    return f"items: [{{id: oak, prompt: oak, params: {params}}}]\n"


@pytest.mark.parametrize(
    "written",
    ["{size: 2K}", "{numOutputs: 1}", "{thinkingMode: true, numOutputs: 1.0}"],
)
def test_a_default_that_is_written_out_is_the_same_request(desk, written):
    desk.record(desk.entry(item("{}")), JobStatus.SAVED)

    assert desk.entry(item(written)).action is Action.DONE


@pytest.mark.parametrize("written", ["{size: 1K}", "{numOutputs: 2}", "{seed: 1}"])
def test_what_is_no_default_is_another_request(desk, written):
    desk.record(desk.entry(item("{}")), JobStatus.SAVED)

    name = written.strip("{}").partition(":")[0]
    assert desk.entry(item(written)).reason == f"{name} changed (line 3)"


def test_a_default_that_the_service_changes_is_not_paid_again(desk, tmp_path):
    desk.record(desk.entry(item("{size: 2K}")), JobStatus.SAVED)
    shipped = shipped_model("model_wan-2-7-image")
    size = replace(shipped.inputs["size"], default="1K")
    changed = replace(shipped, inputs={**shipped.inputs, "size": size})

    plan = make_plan(
        load_manifest(tmp_path / "icons.yaml", models=lambda _model_id: changed),
        Folder(desk.output),
        ledger=desk.ledger,
        selection=Selection(),
    )

    assert plan.counts == {Action.DONE: 1}


def test_a_derived_seed_is_sent_and_is_not_part_of_the_request(desk):
    with_seed = desk.entry()
    seedless = desk.entry(TREES, item_id="elm")

    assert with_seed.derived_seed
    assert with_seed.params["seed"] == with_seed.job.seed
    assert with_seed.params["seed"] != seedless.params["seed"]
    twin = desk.entry("items: [{id: another-id, prompt: oak}]\n", "another-id")
    assert twin.job.job_key == with_seed.job.job_key
    assert twin.params["seed"] != with_seed.params["seed"]


def test_an_explicit_seed_is_sent_as_it_is_and_is_part_of_the_request(desk):
    one, two = desk.entry(item("{seed: 7}")), desk.entry(item("{seed: 8}"))

    assert not one.derived_seed
    assert one.params["seed"] == one.job.seed == 7
    assert one.job.job_key != two.job.job_key


def test_a_model_without_a_seed_gets_none(desk, tmp_path):
    desk.plan()
    shipped = shipped_model("model_wan-2-7-image")
    inputs = {name: value for name, value in shipped.inputs.items() if name != "seed"}
    plan = make_plan(
        load_manifest(
            tmp_path / "icons.yaml",
            models=lambda _model_id: replace(shipped, inputs=inputs),
        ),
        Folder(desk.output),
        ledger=None,
        selection=Selection(),
    )

    planned = next(plan.entries())

    assert "seed" not in planned.params
    assert planned.job.seed is None
    assert not planned.derived_seed


def test_a_model_whose_inputs_are_not_known_is_planned_as_it_is_written(desk, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "version: 1\nmodel: model_own\n" + item("{numOutputs: 3, other: [1]}")
    )
    manifest = load_manifest(tmp_path / "own.yaml", models=lambda _model_id: None)
    plan = make_plan(
        manifest,
        Folder(desk.output),
        ledger=None,
        selection=Selection(),
    )

    planned = next(plan.entries())

    assert planned.params == {"prompt": "oak", "numOutputs": 3, "other": [1]}
    assert (planned.outputs, planned.kind) == (3, "")


def test_outputs_and_kind_are_those_of_the_model(desk):
    assert desk.entry(item("{numOutputs: 3}")).outputs == 3
    assert desk.entry(item("{}")).outputs == 1
    assert desk.entry().kind == "image"


# --- holding nothing -------------------------------------------------------------------------


def test_entries_are_expanded_anew_each_time(desk, tmp_path):
    """The plan counts and holds no item; a row that was recorded since shows."""
    plan = desk.plan()
    desk.record(desk.entry(), JobStatus.SAVED)

    actions = [planned.action for planned in plan.entries()]

    assert actions == [Action.DONE] + [Action.SUBMIT] * 3
    assert plan.counts == {Action.SUBMIT: 4}


def test_entries_come_one_by_one(desk):
    """A million rows are a million steps, not a million records."""
    plan = desk.plan(
        "items:\n  - id: tree-${a}-${b}-${c}\n    prompt: a ${a} ${b} ${c}\n"
        "    matrix:\n"
        + "".join(
            f"      {axis}: [{', '.join(map(str, range(12)))}]\n" for axis in "abc"
        )
    )
    entries = plan.entries()

    first = [next(entries).item.item_id for _ in range(3)]

    assert plan.total == 12**3
    assert first == ["tree-0-0-0", "tree-0-0-1", "tree-0-0-2"]


def test_on_item_hears_of_each_item_in_order(desk, tmp_path):
    desk.plan()
    heard = []

    make_plan(
        load_manifest(tmp_path / "icons.yaml"),
        Folder(desk.output),
        ledger=None,
        selection=Selection(globs=("?l?", "f*")),
        on_item=lambda planned: heard.append(planned.item.item_id),
    )

    assert heard == ["elm", "fir"]


# --- line ends --------------------------------------------------------------------------

CELLS = "items:\n  - {id: oak, prompt: 'an ${what}', rows: a.csv}\n"
AS_WRITTEN = "an oak\r\nin spring"
AS_SENT = "an oak\nin spring"


def former_of(planned, prompt=AS_WRITTEN):
    """The planned item as earlier versions would have recorded it."""
    params = {**planned.params, "prompt": prompt}
    normal = shipped_model(planned.item.model_id).normalised(params)
    asked = {name: value for name, value in params.items() if name != "seed"}
    normal.pop("seed", None)
    job = replace(
        planned.job,
        job_key=job_key(planned.item.model_id, normal),
        request_key=job_key(planned.item.model_id, asked),
    )
    return replace(planned, job=job, params=params)


@pytest.fixture
def cells(desk):
    """Writes the rows with these line ends."""

    def write(end):
        text = f'what{end}"oak{end}in spring"{end}'
        (desk.folder / "a.csv").write_bytes(text.encode())

    write("\r\n")
    return write


def test_line_ends_do_not_change_the_keys(desk, cells):
    windows = desk.entry(CELLS).job
    cells("\n")
    others = desk.entry(CELLS).job

    assert (windows.job_key, windows.request_key) == (
        others.job_key,
        others.request_key,
    )


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_what_an_earlier_version_paid_for_is_done_on_every_machine(desk, cells, end):
    saved = desk.record(former_of(desk.entry(CELLS)), JobStatus.SAVED)
    cells(end)

    planned = desk.entry(CELLS)

    assert planned.params["prompt"] == AS_SENT
    assert planned.job.row_id == saved.row_id
    assert planned.action is Action.DONE


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (JobStatus.UNKNOWN, Action.SETTLE),
        (JobStatus.SUBMITTED, Action.COLLECT),
        (JobStatus.SAVED, Action.DONE),
    ],
)
def test_so_is_what_it_renamed_or_left_in_flight(desk, cells, status, action):
    saved = desk.record(former_of(desk.entry(CELLS)), status)
    cells("\n")
    plan = desk.plan(CELLS.replace("oak,", "tree,"))

    (planned,) = plan.entries()

    assert planned.old_id == "oak"
    assert planned.then is action
    assert planned.job.row_id == saved.row_id


def test_a_failed_one_is_tried_again_under_the_keys_that_the_ledger_knows(desk, cells):
    before = former_of(desk.entry(CELLS))
    desk.record(before, JobStatus.FAILED, kind=FailureClass.GENERATION)

    planned = desk.entry(CELLS)

    assert planned.action is Action.SUBMIT
    assert planned.sign == "+"
    assert planned.params["prompt"] == AS_SENT
    assert planned.job.job_key == before.job.job_key
    assert planned.job.request_key == before.job.request_key


def test_line_ends_are_no_change_of_the_prompt(desk, cells):
    desk.record(former_of(desk.entry(CELLS)), JobStatus.SAVED)
    other = CELLS.replace("prompt:", "params: {size: 1K}, prompt:")

    planned = desk.entry(other)

    assert planned.action is Action.SUBMIT
    assert planned.reason.startswith("size changed")


def test_another_text_with_line_ends_is_another_request(desk, cells):
    desk.record(former_of(desk.entry(CELLS), "an elm\r\nin spring"), JobStatus.SAVED)

    assert desk.entry(CELLS).action is Action.SUBMIT


# --- what is in the place of a file -----------------------------------------------------


def test_a_file_of_another_size_that_is_cut_off_is_fetched(desk):
    desk.record(desk.entry(), JobStatus.SAVED)
    (desk.output / "oak.png").write_bytes(b"pict")

    planned = desk.entry()

    assert planned.action is Action.FETCH
    assert planned.reason == "oak.png is cut off or damaged"


def test_every_file_of_a_done_item_costs_one_stat(desk, monkeypatch):
    desk.record(desk.entry(), JobStatus.SAVED)
    (desk.output / "oak.png.json").write_text("{}" * 500)
    looked_at: list[str] = []
    opened: list[str] = []
    stat, open_ = Path.stat, os.open

    def noting_stat(path, **options):
        looked_at.append(path.name)
        return stat(path, **options)

    def noting_open(path, *more):
        opened.append(str(path))
        return open_(path, *more)

    monkeypatch.setattr(Path, "stat", noting_stat)
    monkeypatch.setattr(os, "open", noting_open)

    assert desk.entry().action is Action.DONE
    # Once to count the items, once to go through them.
    assert looked_at.count("oak.png") == 2
    assert looked_at.count("oak.png.json") == 2
    assert not [path for path in opened if "oak" in path]


# --- a seed that is written down, or removed ------------------------------------------


def pinned(seed):
    return f"items:\n  - {{id: oak, prompt: oak, params: {{seed: {seed}}}}}\n"


UNPINNED = "items:\n  - {id: oak, prompt: oak}\n"


def test_a_seed_pinned_to_the_one_that_was_derived_is_the_same_request(desk):
    made = desk.record(desk.entry(UNPINNED), JobStatus.SAVED)

    planned = desk.entry(pinned(made.seed))

    assert planned.action is Action.DONE
    assert planned.job.remote_id == made.remote_id


def test_another_pinned_seed_is_a_changed_request(desk):
    made = desk.record(desk.entry(UNPINNED), JobStatus.SAVED)

    assert desk.entry(pinned(made.seed + 1)).action is Action.SUBMIT


def test_a_pin_of_the_derived_seed_that_is_removed_is_the_same_request(desk):
    derived = desk.entry(UNPINNED).params["seed"]
    desk.record(desk.entry(pinned(derived)), JobStatus.SAVED)

    assert desk.entry(UNPINNED).action is Action.DONE


def test_a_pin_of_another_seed_that_is_removed_is_a_changed_request(desk):
    desk.record(desk.entry(pinned(5)), JobStatus.SAVED)

    assert desk.entry(UNPINNED).action is Action.SUBMIT


def test_a_pinned_seed_with_another_prompt_is_a_changed_request(desk):
    made = desk.record(desk.entry(UNPINNED), JobStatus.SAVED)

    edited = pinned(made.seed).replace("prompt: oak", "prompt: an oak")

    assert desk.entry(edited).action is Action.SUBMIT


# --- the same bytes, paid for again ----------------------------------------------------


def test_force_on_a_finished_item_is_said_to_give_the_same_bytes(desk):
    desk.record(desk.entry(item_id="oak"), JobStatus.SAVED)

    plan = desk.plan(force=True)

    assert (plan.repeats.count, plan.repeats.item_ids) == (1, ["oak"])
    said = plan.repeats.describe(plan.manifest)
    assert "the same bytes" in said
    assert said.endswith(f"pipeline redo {desk.folder / 'icons.yaml'} oak")


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.SAVED])
def test_without_a_result_or_with_another_seed_nothing_is_said(desk, status):
    desk.record(desk.entry(UNPINNED), status, kind=FailureClass.GENERATION)

    text = UNPINNED if status is JobStatus.FAILED else pinned(5)

    assert desk.plan(text, force=True).repeats.describe(desk.plan().manifest) == ""


def test_many_repeats_are_counted_and_the_first_are_named(desk):
    for name in ("oak", "elm", "fir", "yew"):
        desk.record(desk.entry(item_id=name), JobStatus.SAVED)

    plan = desk.plan(force=True)

    assert "oak, elm, fir and 1 more" in plan.repeats.describe(plan.manifest)
