"""``plan``: what a run would do, why, and what it costs."""

import sys
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.cli.ci.plan_reports import PlanReports
from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import print_faults, print_note, say
from pipeline.cli.next_step import command_line
from pipeline.cli.plan_view import PlanListing, print_estimate, print_plan_event
from pipeline.errors import ExitCode, ManifestError, UsageError
from pipeline.operations.plan import estimate
from pipeline.planning import Plan, PlannedItem, Selection
from pipeline.pricing import Estimate
from pipeline.pricing.saved_plan import PlanRecorder, read_plan, save_plan
from pipeline.settings import Settings
from pipeline.units import parse_units

FIRST_CONTACT_S = 10.0  # a person is waiting


def plan_command(
    manifest: Path,
    *,
    output: Path | None,
    profile: str,
    as_json: bool,
    long_form: bool,
    prompts: bool,
    max_cost: str | None,
    cu_price: CuPrice | None,
    out: Path | None,
    markdown: Path | None,
    base: Path | None,
    detailed_exitcode: bool,
    **options: Any,
) -> ExitCode:
    """What a run would do to each item, why, and what it costs."""
    _check_may_be_written(out)
    if base is not None and markdown is None:
        raise UsageError("--base belongs to --markdown", hint="add --markdown FILE")
    reports = PlanReports(markdown, base)
    listing = PlanListing(as_json=as_json, long_form=long_form, prompts=prompts)
    recorder = PlanRecorder()
    settings = Settings(first_contact_s=FIRST_CONTACT_S, max_cost=parse_cost(max_cost))

    def take(planned: PlannedItem) -> None:
        listing.add(planned)
        reports.add(planned)
        if out is not None:
            recorder.add(planned)

    try:
        made = run_shown(
            lambda activity: estimate(
                manifest,
                output=output,
                profile=profile,
                settings=settings,
                on_item=take,
                on_orphan=listing.add_orphan,
                activity=activity,
                **planning_options(options),
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
    listing.finish(made.cost, made.plan.manifest.review, price=cu_price)
    if as_json:
        print_plan_event(made)
    else:
        print_estimate(made, cu_price=cu_price)
        _say_what_else(made, profile)
    reports.write(made)
    return find_detailed_code([made.plan]) if detailed_exitcode else ExitCode.OK


def find_detailed_code(plans: Collection[Plan]) -> ExitCode:
    """Whether there is something to do, and whether a run may pay for it."""
    if any(plan.may_pay for plan in plans):
        return ExitCode.CHANGES_PENDING
    if any(plan.to_do for plan in plans):
        return ExitCode.FREE_WORK_PENDING
    return ExitCode.OK


def _say_what_else(made: Estimate, profile: str) -> None:
    """Name the profiles and, to a person, the command that carries the plan out."""
    if made.plan.manifest.profiles and not profile:
        names = ", ".join(made.plan.manifest.profiles)
        say(f"profiles: {names}; --profiles shows what each would cost")
    if made.plan.to_do and sys.stderr.isatty():
        say(f"next: {command_line('run')}", err=True)


def planning_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What to plan and how, as :func:`estimate` takes it.

    Args:
        options: Of the command line, with those that select items.
    """
    selection = Selection(
        globs=options["select"],
        shard=options["shard"],
        limit=options["limit"],
        force=options["force"],
        verify=options["verify"],
        only=options["only"] or "",
        as_new=options["as_new"],
    )
    passed = ("emulate", "store", "allow_outside", "offline")
    given = {name: options[name] for name in passed if name in options}
    return {"selection": selection, **given}


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


def parse_cost(text: str | None, *, option: str = "--max-cost") -> Decimal | None:
    """The units of ``--max-cost``.

    Args:
        text: The option's value, or None.
        option: The option's name.

    Raises:
        UsageError: It is not a number, or below zero.
    """
    if text is None:
        return None
    units = parse_units(text)
    if units is None:
        raise UsageError(
            f"{option} {text!r} is not an amount of compute units",
            hint="write it like 31 or 7.25",
        )
    return units
