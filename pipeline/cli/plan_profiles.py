"""``plan --profiles``: what a run with each profile of a manifest would cost."""

from functools import partial
from pathlib import Path
from typing import Any

from pipeline.activity import Activity
from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import print_faults, print_note, say
from pipeline.cli.plan import (
    FIRST_CONTACT_S,
    find_detailed_code,
    planning_options,
)
from pipeline.cli.plan_view import print_profile_event, total_line
from pipeline.errors import ExitCode, ManifestError, UsageError
from pipeline.manifest import find_profiles
from pipeline.operations.plan import estimate
from pipeline.pricing import Estimate
from pipeline.settings import Settings

# They are about one plan, or would give all profiles one folder.
_REFUSED = (
    "profile",
    "output",
    "store",
    "out",
    "max_cost",
    "long_form",
    "prompts",
    "markdown",
    "base",
)
_FLAGS = {"long_form": "--long", "max_cost": "--max-cost"}


def plan_profiles_command(
    manifest: Path,
    *,
    as_json: bool,
    cu_price: CuPrice | None,
    detailed_exitcode: bool,
    **options: Any,
) -> ExitCode:
    """One line for each profile."""
    for name in _REFUSED:
        if options[name]:
            flag = _FLAGS.get(name, f"--{name}")
            raise UsageError(
                f"--profiles plans every profile, and {flag} is about one plan",
                hint="leave one of the two out",
            )
    names = find_profiles(manifest)
    if not names:
        raise UsageError(f"{manifest} has no profiles", hint="leave --profiles out")
    try:
        made = {
            name: run_shown(
                partial(
                    _estimate,
                    manifest,
                    profile=name,
                    settings=Settings(first_contact_s=FIRST_CONTACT_S),
                    **planning_options(options),
                )
            )
            for name in names
        }
    except ManifestError as error:
        if as_json:
            print_faults(error)
        raise
    for note in dict.fromkeys(note for one in made.values() for note in one.notes):
        print_note(note)
    for name, one in made.items():
        _print(name, one, cu_price, as_json=as_json)
    plans = [one.plan for one in made.values()]
    return find_detailed_code(plans) if detailed_exitcode else ExitCode.OK


async def _estimate(manifest: Path, activity: Activity, **options: Any) -> Estimate:
    return await estimate(manifest, activity=activity, **options)


def _print(
    name: str, made: Estimate, cu_price: CuPrice | None, *, as_json: bool
) -> None:
    if as_json:
        print_profile_event(name, made)
    else:
        say(f"{name}: {total_line(made, cu_price)}")
