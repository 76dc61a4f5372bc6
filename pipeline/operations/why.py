"""One item → everything that is known about it, for a person who asks why."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from pipeline.assets.checks.recorded import Finding, check_recorded
from pipeline.assets.sidecar import DamagedSidecar, NoSidecar, load_sidecar
from pipeline.errors import UsageError
from pipeline.job import (
    Asset,
    AssetId,
    Job,
    ParamValue,
)
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest, expand
from pipeline.models.schema import ModelSchema
from pipeline.output.folder import open_for_reading
from pipeline.planning import PlannedItem, Selection, make_plan
from pipeline.planning.change import find_changes
from pipeline.record import Struct
from pipeline.settings import EMULATOR_NAME

_IDS_SEARCHED = 50_000  # for near misses
_NEAREST = 3
_CLOSE = 0.6


class Input(Struct, frozen=True, kw_only=True):
    """One input of the item's request.

    Attributes:
        name: The service's name.
        value: As it is sent, references not yet replaced; or the model's default.
        is_default: Whether the value is the model's default.
        is_sent: False where it is left to the model.
    """

    name: str
    value: ParamValue
    is_default: bool = False
    is_sent: bool = True


class CheckedFile(Struct, frozen=True, kw_only=True):
    """One file of the item.

    Attributes:
        asset: As the ledger knows it.
        attempt: Whose it is.
        finding: OK, MISSING, CHANGED or BROKEN.
        detail: More about it, or "".
    """

    asset: Asset
    attempt: int
    finding: Finding
    detail: str = ""


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything about one item.

    Attributes:
        item_id: Which.
        output: The output folder.
        planned: What a run would do; None where the manifest does not have the item.
        model: What its model takes; None where that is not known.
        inputs: What is asked for, in the order of the manifest; defaults last.
        uploads: SHA-256 of a reference → the service's id of it.
        attempts: Oldest first; may be empty. Those under a former id come before.
        differences: By the row of an attempt: the inputs in which it asked for
            something else than what is asked for now.
        renamed_to: Of an item that is gone: the id it goes on under, or "".
        files: In the order of the attempts.
        emulated: Whether the folder is the emulator's.
    """

    item_id: str
    output: Path
    planned: PlannedItem | None
    model: ModelSchema | None
    inputs: tuple[Input, ...]
    uploads: Mapping[str, AssetId]
    attempts: tuple[Job, ...]
    differences: Mapping[int, Sequence[str]]
    renamed_to: str
    files: tuple[CheckedFile, ...]
    emulated: bool

    @property
    def is_unsure(self) -> bool:
        """Whether ``resolve`` takes a decision about it."""
        return bool(self.attempts) and self.attempts[-1].is_unsure

    def asks_the_same(self, job: Job) -> bool:
        """Whether an attempt asked for what the manifest asks for now."""
        if self.planned is None:
            return True
        now = self.planned.job
        return job.job_key == now.job_key or job.request_key == now.request_key


def explain(
    manifest: Manifest, output: Path, item_id: str, *, emulate: bool
) -> Explanation:
    """Gather what manifest, ledger and output folder know of an item.

    Its files are read whole; nothing is changed, and a run may be at work.

    Args:
        manifest: Where the item should be.
        output: The output folder.
        item_id: As it was typed.
        emulate: Whether the emulator's work is meant: the lock file is then left out.

    Raises:
        UsageError: Neither manifest nor ledger has the item.
        ManifestError: The manifest has faults.
        LedgerError: The ledger cannot be read.
        LockError: Nor can the lock file.
    """
    lock_file = find_lock_file(manifest, emulate=emulate)
    with open_for_reading(output, lock_file, item_count=manifest.item_count) as ledger:
        planned = _planned(manifest, output, item_id, ledger)
        attempts = _attempts(ledger, item_id, planned)
        if planned is None and not attempts:
            raise _unknown_item(manifest, item_id, ledger)
        facts = ledger.find_facts()
        uploads = ledger.find_uploads(facts.project_id)
        renamed_to = ""
        if planned is None:
            renamed_to = _new_id(manifest, output, item_id, ledger)
    model = None if planned is None else manifest.models(planned.item.model_id)
    return Explanation(
        item_id=item_id,
        output=output,
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
        files=tuple(_files(output, attempts)),
        emulated=facts.base_url == EMULATOR_NAME if facts.base_url else emulate,
    )


def _planned(
    manifest: Manifest, output: Path, item_id: str, ledger: Ledger
) -> PlannedItem | None:
    found: list[PlannedItem] = []
    make_plan(
        manifest,
        output,
        ledger=ledger,
        selection=Selection(ids=frozenset({item_id})),
        models=manifest.models,
        on_item=found.append,
    )
    return found[0] if found else None


def _new_id(manifest: Manifest, output: Path, item_id: str, ledger: Ledger) -> str:
    plan = make_plan(
        manifest,
        output,
        ledger=ledger,
        selection=Selection(),
        models=manifest.models,
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
        hint=f"did you mean {quoted}?" if near else "pipeline plan --long lists all",
    )


def nearest(word: str, known: list[str]) -> list[str]:
    """The ids most like ``word``, at most three, the nearest first."""
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


def _files(output: Path, attempts: tuple[Job, ...]) -> Iterator[CheckedFile]:
    for job in attempts:
        for asset in job.assets:
            finding, detail = check_recorded(output, asset)
            if finding is Finding.OK:
                finding, detail = _check_sidecar(output, job, asset)
            yield CheckedFile(
                asset=asset, attempt=job.attempt, finding=finding, detail=detail
            )


def _check_sidecar(output: Path, job: Job, asset: Asset) -> tuple[Finding, str]:
    """A file without its sidecar is fetched again, so it counts as missing."""
    try:
        said = load_sidecar(output, asset.path)
    except FileNotFoundError:
        return Finding.MISSING, "its sidecar is not there"
    except DamagedSidecar as error:
        return Finding.BROKEN, f"its sidecar says {error}"
    except (NoSidecar, OSError):
        return Finding.BROKEN, "its sidecar cannot be read"
    if said.remote_id != job.remote_id:
        return Finding.CHANGED, f"its sidecar is of job {said.remote_id}"
    return Finding.OK, ""
