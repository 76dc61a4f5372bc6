"""Run: the public entry points that plan manifests and carry the plans out.

They can be called from a notebook (``await run(...)``), a program or the command line,
and print nothing. How it is done is in ``operations.joint``.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pipeline.activity import Activity
from pipeline.clock import Clock, SystemClock
from pipeline.errors import UsageError
from pipeline.manifest import Manifest
from pipeline.operations.callbacks import in_thread, relaying
from pipeline.operations.execution import Amend, Amended, Hooks
from pipeline.operations.gallery import PageOptions
from pipeline.operations.joint import Joint
from pipeline.operations.notebook import showing_progress
from pipeline.operations.target import Source, Target
from pipeline.planning import PlannedItem, Selection
from pipeline.pricing import Estimate
from pipeline.pricing.joint import JointEstimate
from pipeline.pricing.saved_plan import SavedPlan
from pipeline.running.events import Event
from pipeline.running.joined_events import JoinedEvents
from pipeline.running.joint import JointResult, JointRun
from pipeline.running.result import RunResult
from pipeline.settings import Credentials, Settings

__all__ = ["Amend", "Amended", "run", "run_all"]


async def run(
    manifest: Source,
    *,
    output: str | os.PathLike[str] | None = None,
    emulate: bool = False,
    store: str = "",
    allow_outside: bool = False,
    profile: str = "",
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    saved_plan: SavedPlan | None = None,
    on_item: Callable[[PlannedItem], object] = lambda _planned: None,
    approve: Callable[[Estimate], object] = lambda _estimate: None,
    on_event: Callable[[Event], object] = lambda _event: None,
    on_start: Callable[[JointRun], None] = lambda _run: None,
    activity: Activity | None = None,
    amend: Amend | None = None,
    report: bool = False,
    page: PageOptions = PageOptions(),  # noqa: B008 - frozen
) -> RunResult:
    """Plan a manifest and carry the plan out; finished items are left alone.

    In a notebook, the run shows its progress. ``on_item``, ``approve`` and ``on_event``
    may be async.

    Args:
        manifest: The YAML file, what it would say as a mapping, or the result of
            :func:`load_manifest`.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator in this process and use it; spends nothing.
        store: The URL of the store for the files, such as ``s3://bucket/prefix``; ""
            for the manifest's ``store``, or else the output folder.
        allow_outside: Allow references outside the manifest's folder.
        profile: The manifest's profile to use; "" for its top level alone.
        selection: The items to run.
        settings: Limits and timeouts.
        credentials: None to read them from the environment, ``.env`` or the keyring.
        clock: The clock to use; None for the machine's.
        saved_plan: Carry out exactly this plan, made by an earlier :func:`estimate`.
        on_item: Called with each item as it is planned; in a thread, unless it is
            async.
        approve: Called once with the plan and its price before anything is spent. An
            exception that it raises ends the run, and :func:`run` raises it.
        on_event: Called on the event loop with every change once it is durable.
        on_start: Called with the run before it begins, so that it can be stopped.
        amend: Called with the manifest, its store and the ledger, once they are held;
            its result is planned instead of the manifest and ``selection``.
        activity: Is told what is done at each moment, for a display of progress.
        report: Write the gallery afterwards, as ``report: true`` in the manifest does.
        page: What its pages say beyond the facts.

    Returns:
        The result of the run. An item that fails raises no exception.

    Raises:
        InputError: The user has to change something; nothing has started.
        RunError: The run had to stop; the ledger is intact, so run again.
    """
    target = Target(
        manifest=manifest,
        output=output,
        emulate=emulate,
        allow_outside=allow_outside,
        profile=profile,
        selection=selection,
        settings=settings,
        clock=clock or SystemClock(),
        store=store,
    )
    async with relaying(on_event) as tell:
        with showing_progress(tell, target.clock) as show:
            hooks = Hooks(
                saved_plan=saved_plan,
                on_item=in_thread(on_item),
                on_event=show,
                report=report,
                page=page,
            )
            joint = Joint(
                [target],
                [hooks],
                credentials=credentials,
                approve=lambda estimate: approve(estimate.parts[0]),
                on_start=on_start,
                activity=activity,
                amend=amend,
            )
            (outcome,) = (await joint.carry_out()).outcomes
    if outcome.error is not None:
        raise outcome.error
    assert outcome.result is not None, "what ends without a result has an error"
    return outcome.result


async def run_all(
    manifests: Sequence[Source],
    *,
    emulate: bool = False,
    allow_outside: bool = False,
    profile: str = "",
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    on_item: Callable[[str, PlannedItem], object] = lambda _manifest, _planned: None,
    approve: Callable[[JointEstimate], object] = lambda _estimate: None,
    on_event: Callable[[str, Event], object] = lambda _manifest, _event: None,
    on_start: Callable[[JointRun], None] = lambda _run: None,
    activity: Activity | None = None,
    report: bool = False,
    page: PageOptions = PageOptions(),  # noqa: B008 - frozen
) -> JointResult:
    """Carry out several manifests together: one connection, one budget, one approval.

    Each has its own output folder, ledger and lock file. Jobs in flight and requests
    are limited for all of them together. Nothing of any is started if one has a fault.

    Args:
        manifests: As for :func:`run`; each once.
        emulate: As for :func:`run`.
        allow_outside: As for :func:`run`.
        profile: As for :func:`run`; used of every manifest.
        selection: As for :func:`run`; applied to every manifest.
        settings: As for :func:`run`. ``max_cost`` is what all manifests may cost
            together; the smaller limit that one sets itself holds for it alone.
        credentials: As for :func:`run`.
        clock: As for :func:`run`.
        on_item: As for :func:`run`, with the path of the item's manifest first.
        approve: Called once with the plans of all manifests and their price before
            anything is spent; raises to stop.
        on_event: As for :func:`run`, with the path of the manifest first.
        on_start: Called with all runs before they begin, so that they can be stopped.
        activity: As for :func:`run`.
        report: As for :func:`run`.
        page: As for :func:`run`.

    Returns:
        How each of them ended. One that fails does not stop the others; credit or the
        common budget that is used up, and a lost connection, stop all.

    Raises:
        InputError: The user has to change something; nothing has started.
        RunError: All had to stop; the ledgers are intact, so run again.
    """
    if not manifests:
        raise UsageError("no manifest is named", hint="name at least one")
    clock = clock or SystemClock()
    names = [_name_of(manifest) for manifest in manifests]
    targets = [
        Target(
            manifest=manifest,
            output=None,
            emulate=emulate,
            allow_outside=allow_outside,
            profile=profile,
            selection=selection,
            settings=dataclasses.replace(settings, max_cost=None),
            clock=clock,
        )
        for manifest in manifests
    ]

    def on_pair(pair: tuple[str, Event]) -> object:
        return on_event(*pair)

    joined = JoinedEvents(names)
    async with relaying(on_pair) as tell:
        with showing_progress(lambda _event: None, clock) as show:

            def hooks_of(name: str) -> Hooks:
                def take(event: Event) -> None:
                    show(joined.join(name, event))
                    tell((name, event))

                return Hooks(
                    on_item=in_thread(partial(on_item, name)),
                    on_event=take,
                    report=report,
                    page=page,
                )

            joint = Joint(
                targets,
                [hooks_of(name) for name in names],
                max_cost=settings.max_cost,
                credentials=credentials,
                approve=approve,
                on_start=on_start,
                activity=activity,
            )
            return await joint.carry_out()


def _name_of(manifest: Source) -> str:
    if isinstance(manifest, Manifest):
        return manifest.file
    if isinstance(manifest, Mapping):
        return str(manifest.get("name", ""))
    return os.fspath(manifest)
