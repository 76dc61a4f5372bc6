"""Why: everything that manifest, ledger and output folder know about one item."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path

from pipeline.assets.checks.recorded import Finding, check_recorded
from pipeline.assets.sidecar import (
    DamagedSidecar,
    NoSidecar,
    PointerSidecar,
    load_sidecar,
)
from pipeline.errors import UsageError
from pipeline.job import (
    Asset,
    AssetId,
    Job,
    ParamValue,
)
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, expand
from pipeline.manifest.review import ItemReview, Review
from pipeline.models.schema import ModelSchema
from pipeline.naming import is_step, split_take
from pipeline.output.folder import is_by_emulator, open_ledger_of
from pipeline.planning import PlannedItem, Selection, make_plan
from pipeline.planning.change import find_changes
from pipeline.record import Struct
from pipeline.storage.store import Store

_IDS_SEARCHED = 50_000  # for the closest matches
_NEAREST = 3
_CLOSE = 0.6


class Input(Struct, frozen=True, kw_only=True):
    """One input of the item's request.

    Attributes:
        name: The service's name of the input.
        value: The value to send, references not yet replaced; or the model's default.
        is_default: Whether the value is the model's default.
        is_sent: Whether the value is sent; if not, the model uses its default.
    """

    name: str
    value: ParamValue
    is_default: bool = False
    is_sent: bool = True


class CheckedFile(Struct, frozen=True, kw_only=True):
    """One file of the item.

    Attributes:
        asset: The asset's record in the ledger.
        attempt: The attempt that made it.
        finding: OK, MISSING, CHANGED or BROKEN.
        detail: Details of the finding, or "".
    """

    asset: Asset
    attempt: int
    finding: Finding
    detail: str = ""


class TakeHistory(Struct, frozen=True, kw_only=True):
    """One take of the item, wanted or not.

    Attributes:
        take: Its number.
        job: Its newest attempt that was paid for; None if it is not made yet.
        decisions: What was decided about it, in words; may be empty.
        is_wanted: Whether the manifest wants it, and it was not replaced.
        is_chosen: Whether it has the item's own name.
    """

    take: int
    job: Job | None
    decisions: tuple[str, ...]
    is_wanted: bool
    is_chosen: bool


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything about one item.

    Attributes:
        item_id: The item.
        store: Where its files are.
        planned: What a run would do; None if the manifest does not have the item.
        model: The inputs of its model; None if they are not known.
        inputs: The requested inputs in the order of the manifest, then the defaults.
        uploads: SHA-256 of a reference → the service's asset id.
        attempts: Oldest first, those under a former id before the others; may be empty.
        differences: By row id of an attempt: the inputs that differ from the current
            request.
        renamed_to: The new id of an item that was renamed in the manifest, or "".
        files: In the order of the attempts.
        takes: Every take of the item, by number; empty if it never had several.
        emulated: Whether the output folder belongs to the emulator.
    """

    item_id: str
    store: Store
    planned: PlannedItem | None
    model: ModelSchema | None
    inputs: tuple[Input, ...]
    uploads: Mapping[str, AssetId]
    attempts: tuple[Job, ...]
    differences: Mapping[int, Sequence[str]]
    renamed_to: str
    files: tuple[CheckedFile, ...]
    takes: tuple[TakeHistory, ...]
    emulated: bool

    @property
    def is_unsure(self) -> bool:
        """Whether ``resolve`` accepts a decision about the item."""
        return bool(self.attempts) and self.attempts[-1].is_unsure

    def asks_the_same(self, job: Job) -> bool:
        """Whether an attempt had the request that the manifest makes now."""
        if self.planned is None:
            return True
        now = self.planned.job
        return job.asks_for(now.job_key, now.request_key)


def explain(
    manifest: Manifest, store: Store, item_id: str, *, emulate: bool
) -> Explanation:
    """Gather what manifest, ledger and output folder know about an item.

    Reads the item's files in full. Changes nothing, so a run may be in progress.

    Args:
        manifest: The manifest that should have the item.
        store: Where its files are.
        item_id: As the user typed it.
        emulate: Whether the folder belongs to the emulator; then the lock file is
            ignored.

    Raises:
        UsageError: Neither manifest nor ledger has the item.
        ManifestError: The manifest has faults.
        LedgerError: The ledger cannot be read.
        LockError: The lock file cannot be read.
    """
    with open_ledger_of(manifest, store.home, emulate=emulate) as ledger:
        wanted = _wanted(manifest, store, item_id, ledger)
        planned = _meant(wanted, item_id)
        job_id = item_id if planned is None else planned.item.item_id
        attempts = _attempts(ledger, job_id, planned)
        takes = tuple(_takes(manifest.review, ledger, wanted, item_id))
        if planned is None and not attempts:
            raise _unknown_item(manifest, item_id, ledger)
        facts = ledger.find_facts()
        uploads = ledger.find_uploads(facts.project_id)
        renamed_to = ""
        if planned is None:
            renamed_to = _new_id(manifest, store, item_id, ledger)
    model = None if planned is None else manifest.models(planned.item.model_id)
    return Explanation(
        item_id=job_id,
        store=store,
        planned=planned,
        model=model,
        inputs=() if planned is None else tuple(_inputs(planned, model)),
        uploads=uploads,
        attempts=attempts,
        differences={}
        if planned is None
        else {
            job.row_id: _differences(manifest, planned, job, uploads)
            for job in attempts
        },
        renamed_to=renamed_to,
        files=tuple(_files(store, attempts)),
        takes=takes,
        emulated=is_by_emulator(facts, emulate=emulate),
    )


def _meant(wanted: Sequence[PlannedItem], item_id: str) -> PlannedItem | None:
    """The take that an id means: its own, or the chosen one of the item."""
    chosen = [one for one in wanted if one.stem == item_id == one.item.base]
    exact = [one for one in wanted if one.item.item_id == item_id]
    return next(iter((*chosen, *exact)), None)


def _takes(
    review: Review, ledger: Ledger, wanted: Sequence[PlannedItem], item_id: str
) -> Iterator[TakeHistory]:
    base = split_take(item_id)[0]
    decided = review.of_item(wanted[0].item) if wanted else review.of(base)
    by_number = {one.item.take: one for one in wanted}
    known = {split_take(one)[1]: one for one in ledger.find_take_ids(base)}
    numbers = sorted(by_number.keys() | known.keys())
    if numbers in ([], [1]) and decided.is_empty:
        return
    for number in numbers:
        planned = by_number.get(number)
        jobs = ledger.find_jobs_of(known[number]) if number in known else []
        paid = (job for job in jobs if job.remote_id is not None)
        yield TakeHistory(
            take=number,
            job=next(paid, None),
            decisions=tuple(_decisions(decided, number)),
            is_wanted=planned is not None,
            is_chosen=planned is not None and planned.stem == base,
        )


def _decisions(review: ItemReview, number: int) -> Iterator[str]:
    for word, one in review.verdicts():
        if one.take == number:
            output = f"output {one.output} " if one.output else ""
            by = f" by {one.by}" if one.by else ""
            note = f": {one.note}" if one.note else ""
            yield f"{output}{word}{by} {one.at}{note}".strip()
    for added in review.added:
        if added.take == number:
            yield f"made again in the place of take {added.replaces}"
        if added.replaces == number:
            yield f"replaced by take {added.take}"
    for kept in review.kept:
        if kept.take == number:
            yield f"kept after an edit {kept.at}".strip()


def _wanted(
    manifest: Manifest, store: Store, item_id: str, ledger: Ledger
) -> list[PlannedItem]:
    """The takes that the manifest wants of the item."""
    found: list[PlannedItem] = []
    make_plan(
        manifest,
        store,
        ledger=ledger,
        selection=Selection(ids=frozenset({split_take(item_id)[0]})),
        on_item=found.append,
    )
    # The items that it needs may come with it.
    base_id = split_take(item_id)[0]
    return [
        one
        for one in found
        if item_id in {one.item.item_id, one.item.base}
        or (one.item.base == base_id and not is_step(one.item.item_id))
    ]


def _new_id(manifest: Manifest, store: Store, item_id: str, ledger: Ledger) -> str:
    plan = make_plan(
        manifest,
        store,
        ledger=ledger,
        selection=Selection(),
    )
    return next((new for new, old in plan.old_ids.items() if old == item_id), "")


def _differences(
    manifest: Manifest, planned: PlannedItem, job: Job, uploads: Mapping[str, AssetId]
) -> list[str]:
    now = planned.item
    names = find_changes(
        now.params,
        job,
        schema=manifest.models(now.model_id),
        sent_schema=manifest.models(job.model_id),
        uploads=uploads,
    )
    return ["model", *names] if job.model_id != now.model_id else names


def _attempts(
    ledger: Ledger, item_id: str, planned: PlannedItem | None
) -> tuple[Job, ...]:
    own = reversed(ledger.find_jobs_of(item_id))
    if planned is None or not planned.old_id:
        return tuple(own)
    return (*reversed(ledger.find_jobs_of(planned.old_id)), *own)


def _unknown_item(manifest: Manifest, item_id: str, ledger: Ledger) -> UsageError:
    known = [item.item_id for item in islice(expand(manifest), _IDS_SEARCHED)]
    known += islice(ledger.find_item_ids(), _IDS_SEARCHED)
    near = nearest(item_id, known)
    quoted = ", ".join(f"'{one}'" for one in near)
    return UsageError(
        f"neither {manifest.file} nor its ledger has an item '{item_id}'",
        hint=f"did you mean {quoted}?"
        if near
        else "pipeline plan --long lists all items",
    )


def nearest(word: str, known: list[str]) -> list[str]:
    """The closest matches to ``word``, at most three, the best first."""
    lowered = word.lower()
    by_lower = {one.lower(): one for one in reversed(known)}
    close = get_close_matches(lowered, list(by_lower), n=_NEAREST, cutoff=_CLOSE)
    within = (
        one
        for one in by_lower
        if lowered and (lowered in one or fnmatchcase(one, lowered))
    )
    unique = dict.fromkeys((*close, *islice(within, _NEAREST)))
    return [by_lower[one] for one in islice(unique, _NEAREST)]


def _inputs(planned: PlannedItem, model: ModelSchema | None) -> Iterator[Input]:
    counted = planned.params if model is None else model.normalised(planned.params)
    for name, value in planned.params.items():
        yield Input(name=name, value=value, is_default=name not in counted)
    if model is None:
        return
    for schema in model.inputs.values():
        if schema.has_default and schema.name not in planned.params:
            yield Input(
                name=schema.name, value=schema.default, is_default=True, is_sent=False
            )


def _files(store: Store, attempts: tuple[Job, ...]) -> Iterator[CheckedFile]:
    for job in attempts:
        for asset in job.assets:
            finding, detail = check_recorded(partial(store.open, asset.path), asset)
            if finding is Finding.OK:
                finding, detail = _check_sidecar(store.home, job, asset)
            yield CheckedFile(
                asset=asset, attempt=job.attempt, finding=finding, detail=detail
            )


def _check_sidecar(home: Path, job: Job, asset: Asset) -> tuple[Finding, str]:
    """Check a file's sidecar; without one, the file would be fetched again."""
    try:
        said = load_sidecar(home, asset.path)
    except FileNotFoundError:
        return Finding.MISSING, "its sidecar is missing"
    except DamagedSidecar as error:
        return Finding.BROKEN, f"its sidecar says {error}"
    except PointerSidecar as error:
        return Finding.MISSING, f"its sidecar is {error}"
    except (NoSidecar, OSError):
        return Finding.BROKEN, "its sidecar cannot be read"
    if said.remote_id != job.remote_id:
        return Finding.CHANGED, f"its sidecar belongs to job {said.remote_id}"
    return Finding.OK, ""
