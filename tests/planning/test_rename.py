"""Who is renamed, who is gone, and what has changed of an item: reasons and signs."""

import hashlib
import itertools
import tracemalloc
from datetime import UTC, datetime

import pytest

from pipeline.errors import ManifestError
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
PRO = "model_wan-2-7-image-pro"
S = JobStatus


class Desk:
    """A manifest, a ledger and an output folder to plan with."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.output.mkdir()
        self.ledger = Ledger(IN_MEMORY)
        self.numbers = itertools.count(1)

    def plan(self, text, **selection):
        path = self.folder / "icons.yaml"
        path.write_text(text if text.startswith("version") else HEAD + text)
        return make_plan(
            load_manifest(path),
            Folder(self.output),
            ledger=self.ledger,
            selection=Selection(**selection),
        )

    def make(self, text, status=S.SAVED, **selection):
        """Bring every item of a manifest to this status, as runs would."""
        for planned in list(self.plan(text, **selection).entries()):
            if planned.action is Action.SUBMIT:
                self.record(planned, status)

    def record(self, planned, status):
        request = {name: self._sent(value) for name, value in planned.params.items()}
        job = self.ledger.record_submitting(replace(planned.job, request=request))
        if status is S.UNKNOWN:
            return self.ledger.record_unknown(job)
        if status is S.FAILED:
            failure = Failure(kind=FailureClass.GENERATION, reason="because")
            return self.ledger.record_failed(replace(job, failure=failure))
        remote_id = RemoteId(f"job_{next(self.numbers)}")
        job = self.ledger.record_submitted(replace(job, remote_id=remote_id))
        if status is S.SUBMITTED:
            return job
        job = self.ledger.record_succeeded(job)
        if status is S.SUCCEEDED:
            return job
        content = str(remote_id).encode()
        path = self.output / f"{job.item_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.with_name(path.name + SIDECAR_SUFFIX).write_text("{}")
        asset = Asset(
            asset_id=AssetId(f"asset_{remote_id}"),
            output_index=1,
            path=f"{job.item_id}.png",
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            media_type="image/png",
            width_px=1,
            height_px=1,
        )
        return self.ledger.record_saved(replace(job, assets=(asset,)))

    def _sent(self, value):
        if isinstance(value, list):
            return [self._sent(inner) for inner in value]
        sha256 = getattr(value, "sha256", None)
        if sha256 is None:
            return value
        asset_id = AssetId(f"asset_{sha256[:8]}")
        self.ledger.record_upload(sha256, "", asset_id, datetime.now(UTC))
        return asset_id


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.ledger.close()


def items(*pairs):
    """Items as (id, prompt)."""
    return "items:\n" + "".join(
        f"  - {{id: {item_id}, prompt: {prompt}}}\n" for item_id, prompt in pairs
    )


def old_ids(plan):
    return {
        planned.item.item_id: planned.old_id
        for planned in plan.entries()
        if planned.action is Action.RENAME
    }


def orphans(plan):
    return [orphan.item_id for orphan in plan.orphans()]


def only(plan):
    (planned,) = plan.entries()
    return planned


# --- renames --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (S.SAVED, Action.DONE),
        (S.SUCCEEDED, Action.FETCH),
        (S.SUBMITTED, Action.COLLECT),
        (S.UNKNOWN, Action.SETTLE),
    ],
)
def test_what_is_paid_for_under_another_name_is_renamed(desk, status, then):
    desk.make(items(("oak", "an oak")), status)

    plan = desk.plan(items(("fir", "an oak")))

    planned = only(plan)
    assert (planned.action, planned.then, planned.sign) == (Action.RENAME, then, ">")
    assert planned.reason == "renamed from oak"
    assert (planned.job.item_id, planned.old_id) == ("fir", "oak")
    assert plan.counts == {Action.RENAME: 1}
    assert (plan.to_submit, plan.to_do) == (0, 1)
    assert plan.old_ids == {"fir": "oak"}


def test_what_failed_under_another_name_is_new(desk):
    desk.make(items(("oak", "an oak")), S.FAILED)

    planned = only(desk.plan(items(("fir", "an oak"))))

    assert (planned.action, planned.sign, planned.reason) == (Action.SUBMIT, "+", "new")


@pytest.mark.parametrize("own", [S.PLANNED, S.FAILED])
def test_an_item_that_has_made_nothing_takes_what_was_made_under_another_name(
    desk, own
):
    """It was refused, then renamed and made, and now it has its first name again."""
    (planned,) = desk.plan(items(("oak", "an oak"))).entries()
    job = desk.ledger.record_submitting(replace(planned.job, request={}))
    failure = Failure(kind=None, reason="too many")
    record = desk.ledger.record_planned
    if own is S.FAILED:
        failure = Failure(kind=FailureClass.REFUSED, reason="no")
        record = desk.ledger.record_failed
    record(replace(job, failure=failure))
    desk.make(items(("fir", "an oak")))

    plan = desk.plan(items(("oak", "an oak")))

    assert old_ids(plan) == {"oak": "fir"}
    assert only(plan).then is Action.DONE
    assert (plan.to_submit, orphans(plan)) == (0, [])


def test_an_item_whose_download_failed_is_not_another_one_renamed(desk):
    oak, fir = desk.plan(items(("oak", "an oak"), ("fir", "an oak"))).entries()
    failure = Failure(kind=FailureClass.DOWNLOAD, reason="cut short")
    job = desk.record(oak, S.SUCCEEDED)
    desk.ledger.record_failed(replace(job, failure=failure))
    desk.record(fir, S.SAVED)

    plan = desk.plan(items(("oak", "an oak")))

    assert only(plan).action is Action.FETCH
    assert orphans(plan) == ["fir"]


def test_an_item_that_is_still_there_gives_its_files_to_nobody(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(items(("oak", "an oak"), ("fir", "an oak")))

    assert plan.counts == {Action.DONE: 1, Action.SUBMIT: 1}


def test_an_attempt_goes_to_the_item_that_asks_for_it_now(desk):
    desk.make(items(("oak", "an oak"), ("fir", "a fir")))

    plan = desk.plan(items(("fir", "an oak")))

    (planned,) = plan.entries()
    assert (planned.action, planned.then) == (Action.RENAME, Action.DONE)
    assert planned.reason == "renamed from oak"
    (move,) = plan.reassigned.values()
    assert (move.old_id, move.new_id, move.stem) == ("oak", "fir", "fir")
    assert plan.to_submit == 0
    assert orphans(plan) == []


def test_ids_that_are_swapped_are_two_renames(desk):
    desk.make(items(("oak", "an oak"), ("fir", "a fir")))

    plan = desk.plan(items(("oak", "a fir"), ("fir", "an oak")))

    assert plan.counts == {Action.RENAME: 2}
    assert {(one.old_id, one.new_id) for one in plan.reassigned.values()} == {
        ("oak", "fir"),
        ("fir", "oak"),
    }


def test_ids_that_are_shifted_are_moved_and_the_new_one_is_paid(desk):
    desk.make(items(("t-1", "an oak"), ("t-2", "a fir")))

    plan = desk.plan(items(("t-1", "a yew"), ("t-2", "an oak"), ("t-3", "a fir")))

    assert plan.counts == {Action.SUBMIT: 1, Action.RENAME: 2}
    moved = {one.new_id: one.old_id for one in plan.reassigned.values()} | dict(
        plan.old_ids
    )
    assert moved == {"t-2": "t-1", "t-3": "t-2"}


def test_a_swap_of_ids_that_ask_for_the_same_is_none(desk):
    desk.make(items(("oak", "an oak"), ("fir", "an oak")))

    plan = desk.plan(items(("fir", "an oak"), ("oak", "an oak")))

    assert plan.counts == {Action.DONE: 2}


def test_an_item_that_still_asks_for_its_result_gives_it_to_nobody(desk):
    desk.make(items(("oak", "an oak"), ("fir", "a fir")))

    plan = desk.plan(items(("oak", "an oak"), ("fir", "an oak")))

    assert plan.counts == {Action.DONE: 1, Action.SUBMIT: 1}


def test_an_item_that_is_not_selected_counts_as_there(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(items(("oak", "an oak"), ("fir", "an oak")), globs=("fir",))

    assert plan.counts == {Action.SUBMIT: 1}


def test_an_item_beyond_the_limit_counts_as_there(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(
        items(("yew", "a yew"), ("oak", "an oak"), ("fir", "an oak")), limit=2
    )

    assert plan.counts == {Action.SUBMIT: 2, Action.DONE: 1}


def test_a_name_is_given_away_once_in_the_order_of_the_manifest(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(items(("fir", "an oak"), ("yew", "an oak")))

    assert old_ids(plan) == {"fir": "oak"}
    assert plan.counts == {Action.RENAME: 1, Action.SUBMIT: 1}


def test_ids_that_differ_in_their_first_part_alone_are_told_apart(desk):
    desk.make(items(("oak-1", "an oak"), ("oak-2", "an oak"), ("oak-3", "an oak")))

    names = ("fir-3", "b/fir_1", "fir.2")
    plan = desk.plan(items(*((name, "an oak") for name in names)))

    assert old_ids(plan) == {"fir-3": "oak-3", "b/fir_1": "oak-1", "fir.2": "oak-2"}
    assert orphans(plan) == []


def test_ids_whose_numbers_differ_are_not_told_apart_and_nothing_is_paid(desk):
    desk.make(items(("oak-1", "an oak"), ("oak-2", "an oak")))

    plan = desk.plan(items(("fir-3", "an oak"), ("fir-4", "an oak")))

    assert plan.counts == {Action.ASK: 2}
    assert plan.unclear == dict.fromkeys(("fir-3", "fir-4"), ("oak-1", "oak-2"))


CHILDREN = """\
items:
  - {id: base, prompt: a base}
  - {id: one, prompt: a child, params: {images: ['item:base']}}
  - {id: two, prompt: a child, params: {images: ['item:base']}}
"""


def test_an_item_made_from_another_may_have_been_one_of_several(desk):
    desk.make(CHILDREN)
    desk.make(CHILDREN)
    text = CHILDREN.splitlines(keepends=True)

    plan = desk.plan("".join(text[:2]) + text[2].replace("one", "new"))

    assert plan.to_submit == 0
    assert plan.unclear == {"new": ("one", "two")}


TAKES = [(f"hero-take{number}", "a hero") for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("name", ["hero", "final-take2"])
def test_of_several_none_is_taken_and_nothing_is_paid(desk, name):
    desk.make(items(*TAKES))

    plan = desk.plan(items((name, "a hero")))

    planned = only(plan)
    assert (planned.action, planned.sign, planned.cost_key) == (Action.ASK, "?", "")
    assert planned.reason == (
        "may be one of hero-take1, hero-take2, hero-take3 or 1 more: say which with"
        " 'was: ID', or pay: --as-new"
    )
    assert (plan.to_submit, plan.to_do, orphans(plan)) == (0, 1, [])
    assert len(plan.unclear[name]) == 4


def test_the_user_says_which_of_several_it_was(desk):
    desk.make(items(*TAKES))

    text = "items: [{id: hero, prompt: a hero, was: hero-take2}]\n"
    plan = desk.plan(text)

    assert old_ids(plan) == {"hero": "hero-take2"}
    assert only(plan).job.remote_id == "job_2"
    assert orphans(plan) == ["hero-take1", "hero-take3", "hero-take4"]


def test_the_former_id_may_hold_variables(desk):
    desk.make(items(*TAKES))

    text = (
        "items: [{id: 'knight-${n}', prompt: a hero, was: 'hero-take${n}',"
        " matrix: {n: [3, 1]}}]\n"
    )
    assert old_ids(desk.plan(text)) == {
        "knight-3": "hero-take3",
        "knight-1": "hero-take1",
    }


def test_an_item_with_results_takes_those_of_the_one_that_it_is_said_to_have_been(desk):
    desk.make(items(("hero", "a hero"), ("hero-take2", "a hero")))

    plan = desk.plan("items: [{id: hero, prompt: a hero, was: hero-take2}]\n")

    (move,) = plan.reassigned.values()
    assert (move.new_id, move.old_id) == ("hero", "hero-take2")
    assert only(plan).action is Action.RENAME


def test_a_former_id_that_is_still_there_gives_nothing(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(
        items(("oak", "an oak")) + "  - {id: fir, prompt: an oak, was: oak}\n"
    )

    assert plan.counts == {Action.DONE: 1, Action.SUBMIT: 1}
    assert plan.to_submit == 1


def test_a_former_id_that_has_made_nothing_is_said_to(desk):
    desk.make(items(("oak", "an oak")))

    planned = only(desk.plan("items: [{id: fir, prompt: an oak, was: aok}]\n"))

    assert planned.reason == "new: aok has made nothing that it asks for"


def test_one_whose_files_are_gone_is_not_taken_while_another_fits(desk):
    desk.make(items(("yew", "an oak"), ("elm", "an oak")))
    for path in desk.output.glob("yew.png*"):
        path.unlink()

    assert old_ids(desk.plan(items(("fir", "an oak")))) == {"fir": "elm"}


def test_what_is_said_to_be_new_is_paid(desk):
    desk.make(items(*TAKES))

    plan = desk.plan(items(("hero", "a hero")), as_new=True)

    assert plan.counts == {Action.SUBMIT: 1}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{id: oak, prompt: a, was: oak}", "'oak' is the item's own id"),
        ("{id: oak, prompt: a, was: ../x}", "was: id '../x' contains '..'"),
        ("{id: oak, prompt: a, was: '${n}'}", "unknown variable 'n'"),
        ("{id: oak, prompt: a, was: 3}", "was must be text, not the number 3"),
    ],
)
def test_a_wrong_former_id_is_a_fault_with_its_place(desk, entry, message):
    with pytest.raises(ManifestError) as caught:
        desk.plan(f"items:\n  - {entry}\n")

    (fault,) = caught.value.faults
    assert fault.message == message
    assert fault.line == 4


def test_two_items_cannot_have_been_the_same_one(desk):
    with pytest.raises(ManifestError) as caught:
        desk.plan(
            "items:\n  - {id: oak, prompt: a, was: x}\n"
            "  - {id: elm, prompt: a, was: x}\n"
        )

    (fault,) = caught.value.faults
    assert "'x' is already the former id of the item at line 4" in fault.message


# --- takes ------------------------------------------------------------------------------


def test_takes_move_with_their_item(desk):
    desk.make("items: [{id: hero, prompt: a hero, takes: 3}]\n")

    for was in ("", ", was: hero"):
        plan = desk.plan(f"items: [{{id: knight, prompt: a hero, takes: 3{was}}}]\n")
        assert old_ids(plan) == {
            "knight": "hero",
            "knight@2": "hero@2",
            "knight@3": "hero@3",
        }


def test_a_take_becomes_an_item_of_its_own(desk):
    desk.make("items: [{id: hero, prompt: a hero, takes: 3}]\n")

    plan = desk.plan("items: [{id: knight, prompt: a hero, was: hero@2}]\n")

    assert old_ids(plan) == {"knight": "hero@2"}


def test_the_takes_of_an_item_that_is_there_are_nobody_elses(desk):
    desk.make("items: [{id: hero, prompt: a hero, takes: 3}]\n")

    plan = desk.plan(items(("hero", "a hero"), ("knight", "a hero")))

    assert plan.counts == {Action.DONE: 1, Action.SUBMIT: 1}


def test_a_default_written_out_beside_a_new_name_is_still_a_rename(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan("items: [{id: fir, prompt: an oak, params: {numOutputs: 1}}]\n")

    assert old_ids(plan) == {"fir": "oak"}


def test_force_pays_for_a_new_name_anew(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(items(("fir", "an oak")), force=True, globs=("fir",))

    assert plan.counts == {Action.SUBMIT: 1}


def test_a_limit_holds_for_renames_too_and_the_rest_stays_unnamed(desk):
    desk.make(items(("oak-1", "an oak"), ("oak-2", "an oak")))

    plan = desk.plan(items(("fir-1", "an oak"), ("fir-2", "an oak")), limit=1)

    assert plan.counts == {Action.RENAME: 1}
    assert old_ids(plan) == {"fir-1": "oak-1"}
    assert list(plan.orphan_ids()) == []


def test_a_new_name_that_is_not_selected_keeps_its_old_item_from_being_an_orphan(desk):
    desk.make(items(("oak", "an oak"), ("elm", "an elm")))

    plan = desk.plan(
        items(("fir", "an oak"), ("yew", "an oak"), ("elm", "an elm")),
        globs=("elm", "yew"),
    )

    assert plan.counts == {Action.DONE: 1, Action.SUBMIT: 1}
    assert list(plan.orphan_ids()) == []


def test_planning_without_a_row_keeps_no_item(desk):
    def kept_bytes(count):
        names = "".join(f"{number},x{number}\n" for number in range(count))
        (desk.folder / "rows.csv").write_text(f"n,word\n{names}")
        tracemalloc.start()
        plan = desk.plan(text)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert plan.to_submit == count
        return kept

    text = "items: [{id: 'i-${n}', prompt: '${word}', rows: rows.csv}]\n"
    kept_bytes(10)  # what is imported late or kept once is kept

    assert kept_bytes(5_000) - kept_bytes(1_000) < 4_000 * 40


# --- orphans --------------------------------------------------------------------------


def test_what_is_gone_is_an_orphan_with_its_files(desk):
    desk.make(items(("oak", "an oak"), ("elm", "an elm")))

    plan = desk.plan(items(("elm", "an elm")))

    (orphan,) = plan.orphans()
    assert (orphan.item_id, plan.orphan_count) == ("oak", 1)
    assert [asset.path for asset in orphan.assets] == ["oak.png"]


def test_what_is_gone_and_has_no_files_is_listed_by_its_id_alone(desk):
    desk.make(items(("oak", "an oak"), ("elm", "an elm")))
    for path in desk.output.glob("oak.png*"):
        path.unlink()

    plan = desk.plan(items(("elm", "an elm")))

    assert (orphans(plan), plan.orphan_count) == ([], 0)
    assert list(plan.orphan_ids()) == ["oak"]


def test_a_renamed_item_is_no_orphan(desk):
    desk.make(items(("oak", "an oak")))

    plan = desk.plan(items(("fir", "an oak")))

    assert (orphans(plan), list(plan.orphan_ids())) == ([], [])


def test_orphans_are_told_of_while_the_plan_is_made(desk):
    desk.make(items(("oak", "an oak"), ("elm", "an elm")))
    told = []

    make_plan(
        desk.plan(items(("fir", "a fir"))).manifest,
        Folder(desk.output),
        ledger=desk.ledger,
        selection=Selection(),
        on_orphan=told.append,
    )

    assert [orphan.item_id for orphan in told] == ["elm", "oak"]


# --- reasons --------------------------------------------------------------------------

WIDE = """\
references: {style: style.png}
items:
  - id: oak
    prompt: an oak
    params:
      images: [ref:style]
      size: 1K
"""


@pytest.fixture
def wide(desk):
    (desk.folder / "style.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    desk.make(WIDE)
    return desk


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("an oak", "oaks", "prompt changed (line 6)"),
        ("size: 1K", "size: 2K", "size changed (line 9)"),
        ("size: 1K", "size: 1K\n      seed: 9", "seed changed (line 10)"),
        ("      size: 1K\n", "", "size changed (line 5)"),
        ("[ref:style]\n      size: 1K", "[]\n      size: 1280*720", "images and size"),
        (
            "size: 1K",
            "size: 1280*720\n      numOutputs: 2",
            "size and numOutputs changed",
        ),
        ("id: oak", f"id: oak\n    model: {PRO}", "model changed (line 6)"),
    ],
)
def test_a_changed_item_says_which_inputs_differ_and_where(wide, old, new, reason):
    planned = only(wide.plan(WIDE.replace(old, new)))

    assert planned.sign == "~"
    assert planned.reason.startswith(reason)


def test_an_input_of_the_top_level_is_named_with_its_own_line(desk):
    text = HEAD + "params: {size: 1K}\n" + items(("oak", "an oak"))
    desk.make(text)

    planned = only(desk.plan(text.replace("1K", "2048*2048")))

    assert planned.reason == "size changed (line 3)"


def test_a_reference_with_other_content_has_changed(wide):
    (wide.folder / "style.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))

    assert only(wide.plan(WIDE)).reason == "images changed (line 8)"


def test_what_the_ledger_does_not_remember_is_just_changed(desk):
    desk.make(items(("oak", "an oak")))
    desk.ledger._connection.execute("UPDATE jobs SET request = '{}'")

    assert only(desk.plan(items(("oak", "oaks")))).reason == "changed (line 4)"


def test_many_changes_are_counted_and_the_prompt_comes_first(desk):
    desk.make(items(("oak", "an oak")))
    params = "{size: 1K, numOutputs: 2, seed: 3}"

    planned = only(desk.plan(f"items: [{{id: oak, prompt: x, params: {params}}}]\n"))

    assert planned.reason == "prompt, size and 2 more changed (line 3)"


# --- seeds ----------------------------------------------------------------------------


def test_the_first_derived_seed_stays_while_it_is_in_range(desk):
    desk.make(items(("oak", "an oak")))
    seed = desk.ledger.find_jobs_of("oak")[0].seed
    desk.ledger._connection.execute("UPDATE jobs SET seed = 5")

    kept = only(desk.plan(items(("oak", "oaks"))))
    desk.ledger._connection.execute("UPDATE jobs SET seed = -5")
    derived = only(desk.plan(items(("oak", "oaks"))))

    assert (kept.params["seed"], kept.derived_seed) == (5, True)
    assert derived.params["seed"] == seed
