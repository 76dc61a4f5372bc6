"""``plan --profiles``: what a run with each profile of a manifest would cost."""

from functools import partial
from pathlib import Path
from typing import Any

from pipeline.activity import Activity
from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import print_faults, print_note, say
from pipeline.cli.plan import FIRST_CONTACT_S
from pipeline.cli.plan_view import print_profile_event, total_line
from pipeline.errors import ExitCode, ManifestError, UsageError
from pipeline.manifest import find_profiles
from pipeline.operations.plan import estimate
from pipeline.planning import Selection
from pipeline.pricing import Estimate
from pipeline.settings import Settings

# They are about one plan, or would give all profiles one folder.
_REFUSED = ("profile", "output", "store", "out", "max_cost", "long_form", "prompts")
_FLAGS = {"long_form": "--long", "max_cost": "--max-cost"}


def plan_profiles_command(
    manifest: Path,
    *,
    emulate: bool,
    select: tuple[str, ...],
    limit: int | None,
    only: str | None,
    verify: bool,
    force: bool,
    allow_outside: bool,
    as_json: bool,
    offline: bool,
    cu_price: CuPrice | None,
    detailed_exitcode: bool,
    **refused: Any,
) -> ExitCode:
    """One line for each profile."""
    for name in _REFUSED:
        if refused[name]:
            flag = _FLAGS.get(name, f"--{name}")
            raise UsageError(
                f"--profiles plans every profile, and {flag} is about one plan",
                hint="leave one of the two out",
            )
    names = find_profiles(manifest)
    if not names:
        raise UsageError(f"{manifest} has no profiles", hint="leave --profiles out")
    selection = Selection(
        globs=select, limit=limit, force=force, verify=verify, only=only or ""
    )
    try:
        made = {
            name: run_shown(
                partial(
                    _estimate,
                    manifest,
                    emulate=emulate,
                    allow_outside=allow_outside,
                    profile=name,
                    selection=selection,
                    settings=Settings(first_contact_s=FIRST_CONTACT_S),
                    offline=offline,
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
    if detailed_exitcode and any(one.plan.to_do for one in made.values()):
        return ExitCode.CHANGES_PENDING
    return ExitCode.OK


async def _estimate(manifest: Path, activity: Activity, **options: Any) -> Estimate:
    return await estimate(manifest, activity=activity, **options)


def _print(
    name: str, made: Estimate, cu_price: CuPrice | None, *, as_json: bool
) -> None:
    if as_json:
        print_profile_event(name, made)
    else:
        say(f"{name}: {total_line(made, cu_price)}")
