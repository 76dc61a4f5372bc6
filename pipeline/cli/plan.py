"""``plan``: what a run would do, why, and what it costs."""

from decimal import Decimal
from pathlib import Path

from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import print_faults, print_note, say
from pipeline.cli.plan_view import PlanListing, print_estimate, print_plan_event
from pipeline.errors import ExitCode, ManifestError, UsageError
from pipeline.operations.plan import estimate
from pipeline.planning import PlannedItem, Selection
from pipeline.pricing.saved_plan import PlanRecorder, read_plan, save_plan
from pipeline.settings import Settings
from pipeline.units import parse_units

FIRST_CONTACT_S = 10.0  # a person is waiting


def plan_command(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    profile: str,
    select: tuple[str, ...],
    limit: int | None,
    only: str | None,
    verify: bool,
    force: bool,
    as_new: bool,
    allow_outside: bool,
    as_json: bool,
    long_form: bool,
    prompts: bool,
    offline: bool,
    max_cost: str | None,
    cu_price: CuPrice | None,
    out: Path | None,
    detailed_exitcode: bool,
    store: str,
) -> ExitCode:
    """What a run would do to each item, why, and what it costs."""
    _check_may_be_written(out)
    listing = PlanListing(as_json=as_json, long_form=long_form, prompts=prompts)
    recorder = PlanRecorder()
    settings = Settings(first_contact_s=FIRST_CONTACT_S, max_cost=parse_cost(max_cost))
    selection = Selection(
        globs=select,
        limit=limit,
        force=force,
        verify=verify,
        only=only or "",
        as_new=as_new,
    )

    def take(planned: PlannedItem) -> None:
        listing.add(planned)
        if out is not None:
            recorder.add(planned)

    try:
        made = run_shown(
            lambda activity: estimate(
                manifest,
                output=output,
                store=store,
                emulate=emulate,
                profile=profile,
                allow_outside=allow_outside,
                selection=selection,
                settings=settings,
                offline=offline,
                on_item=take,
                on_orphan=listing.add_orphan,
                activity=activity,
            )
        )
    except ManifestError as error:
        if as_json:
            print_faults(error)
        raise
    for note in made.notes:
        print_note(note)
    if out is not None:
        save_plan(out, made, recorder)
    listing.finish(made.cost)
    if as_json:
        print_plan_event(made)
    else:
        print_estimate(made, cu_price=cu_price)
        if made.plan.manifest.profiles and not profile:
            names = ", ".join(made.plan.manifest.profiles)
            say(f"profiles: {names}; --profiles shows what each would cost")
    if detailed_exitcode and made.plan.to_do:
        return ExitCode.CHANGES_PENDING
    return ExitCode.OK


def _check_may_be_written(out: Path | None) -> None:
    """Refuse to overwrite anything but a saved plan, such as the manifest.

    Raises:
        UsageError: Another file is there.
    """
    if out is None or not out.exists():
        return
    try:
        read_plan(out)
    except UsageError as error:
        raise UsageError(
            f"--out: {out} exists and is not a saved plan of this version",
            hint="choose another name, or remove it",
        ) from error


def parse_cost(text: str | None) -> Decimal | None:
    """The units of ``--max-cost``.

    Raises:
        UsageError: It is not a number, or below zero.
    """
    if text is None:
        return None
    units = parse_units(text)
    if units is None:
        raise UsageError(
            f"--max-cost {text!r} is not an amount of compute units",
            hint="write it like 31 or 7.25",
        )
    return units
