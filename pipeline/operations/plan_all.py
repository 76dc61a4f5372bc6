"""Plan of several manifests: what a run of all of them would do and cost together."""

import dataclasses
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from pipeline.activity import Activity
from pipeline.clock import Clock
from pipeline.counting import plural
from pipeline.errors import ManifestError
from pipeline.operations.execution import SHARED_NOTE
from pipeline.operations.joint import check_apart, raise_all
from pipeline.operations.plan import estimate
from pipeline.operations.target import Source
from pipeline.planning import Orphan, PlannedItem, Selection
from pipeline.planning.shards import share_of_all
from pipeline.pricing import Estimate
from pipeline.pricing.joint import JointEstimate
from pipeline.record import replace
from pipeline.running.shared_requests import SharedRequests, may_be_shared
from pipeline.settings import Credentials, Settings


async def estimate_all(
    manifests: Sequence[Source],
    *,
    emulate: bool = False,
    allow_outside: bool = False,
    profile: str = "",
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    offline: bool = False,
    on_item: Callable[[int, PlannedItem], object] = lambda _number, _planned: None,
    on_orphan: Callable[[int, Orphan], object] = lambda _number, _orphan: None,
    activity: Activity | None = None,
) -> JointEstimate:
    """What :func:`run_all` would do and what it would cost; spends nothing.

    Args:
        manifests: As for :func:`run_all`.
        emulate: As for :func:`run`.
        allow_outside: As for :func:`run`.
        profile: As for :func:`run_all`.
        selection: As for :func:`run_all`.
        settings: As for :func:`run_all`.
        credentials: As for :func:`run`.
        clock: As for :func:`run`.
        offline: As for :func:`estimate`.
        on_item: As for :func:`estimate`, with the number of the manifest first, from 0.
        on_orphan: As for :func:`estimate`, with the number of the manifest first.
        activity: As for :func:`run`.

    Raises:
        InputError, RunError, JobError: As for :func:`estimate`.
    """
    requests = SharedRequests()
    shared = [0] * len(manifests)
    parts: list[Estimate] = []

    def is_paid_elsewhere(number: int, planned: PlannedItem) -> bool:
        if not may_be_shared(planned, force=selection.force):
            return False
        is_shared = requests.find_maker(str(number), planned) is not None
        shared[number] += is_shared
        return is_shared

    errors: list[ManifestError] = []
    for number, manifest in enumerate(manifests):
        try:
            part = await estimate(
                manifest,
                emulate=emulate,
                allow_outside=allow_outside,
                profile=profile,
                selection=selection,
                credentials=credentials,
                clock=clock,
                offline=offline,
                activity=activity,
                settings=dataclasses.replace(settings, max_cost=None),
                on_item=partial(on_item, number),
                on_orphan=partial(on_orphan, number),
                is_paid_elsewhere=partial(is_paid_elsewhere, number),
            )
        except ManifestError as error:
            errors.append(error)
            continue
        if count := shared[number]:
            asks = plural(count, "item asks", "items ask")
            part = replace(part, notes=(*part.notes, f"{asks} {SHARED_NOTE}"))
        parts.append(part)
    raise_all(errors)
    check_apart((part.plan.manifest, part.plan.output) for part in parts)
    divisions = (part.plan.selection.division for part in parts)
    return JointEstimate(
        parts=tuple(parts),
        limit=share_of_all(settings.max_cost, divisions),
        taken=sum((part.taken for part in parts), Decimal(0)),
    )
