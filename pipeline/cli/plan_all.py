"""``plan`` of several manifests: one after the other, then what all of them cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import (
    print_faults,
    print_json,
    print_note,
    say,
)
from pipeline.cli.console.subject import about
from pipeline.cli.plan import (
    FIRST_CONTACT_S,
    find_detailed_code,
    parse_cost,
    planning_options,
)
from pipeline.cli.plan_view import (
    PlanListing,
    cost_fields,
    cost_lines,
    price_text,
    print_estimate,
    print_plan_event,
)
from pipeline.counting import items_and_jobs
from pipeline.errors import ExitCode, ManifestError, UsageError
from pipeline.operations.plan_all import estimate_all
from pipeline.planning import Action, Orphan, PlannedItem
from pipeline.pricing import Estimate
from pipeline.pricing.joint import JointEstimate
from pipeline.settings import Settings


def plan_all_command(
    manifests: Sequence[Path],
    *,
    output: Path | None,
    out: Path | None,
    markdown: Path | None,
    base: Path | None,
    profile: str,
    as_json: bool,
    long_form: bool,
    prompts: bool,
    max_cost: str | None,
    cu_price: CuPrice | None,
    detailed_exitcode: bool,
    **options: Any,
) -> ExitCode:
    """What a run of all manifests would do to each item, why, and what it costs."""
    store = options.pop("store")  # refused: each manifest names its own
    refuse_for_several(
        output=output, store=store, out=out, markdown=markdown, base=base
    )
    listings = [
        PlanListing(as_json=as_json, long_form=long_form, prompts=prompts)
        for _ in manifests
    ]

    def add(number: int, planned: PlannedItem) -> None:
        with about(str(manifests[number])):
            listings[number].add(planned)

    def add_orphan(number: int, orphan: Orphan) -> None:
        listings[number].add_orphan(orphan)

    try:
        made = run_shown(
            lambda activity: estimate_all(
                manifests,
                settings=Settings(
                    first_contact_s=FIRST_CONTACT_S, max_cost=parse_cost(max_cost)
                ),
                on_item=add,
                on_orphan=add_orphan,
                profile=profile,
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
    for part, listing in zip(made.parts, listings, strict=True):
        with about(part.plan.manifest.file):
            if as_json:
                listing.finish(part.cost, part.plan.manifest.review)
                print_plan_event(part)
            else:
                print_part(part, listing, cu_price)
    if as_json:
        _print_total_event(made)
    else:
        print_total(made, cu_price)
    plans = [part.plan for part in made.parts]
    return find_detailed_code(plans) if detailed_exitcode else ExitCode.OK


def refuse_for_several(**paths: Path | str | None) -> None:
    """Refuse options that are about one manifest.

    Args:
        paths: The options that name a file, a folder or a store, by name.

    Raises:
        UsageError: One of them is given.
    """
    given = next((name for name, path in paths.items() if path), None)
    if given is None:
        return
    flag = {"saved_plan": "--plan"}.get(given, f"--{given}")
    hint = "use the command once for each"
    if given == "output":
        hint = "leave --output out: each has a folder of its own, output/<name>"
    raise UsageError(f"{flag} is about one manifest, and several are named", hint=hint)


def print_part(
    part: Estimate,
    listing: PlanListing,
    cu_price: CuPrice | None,
    *,
    to_stderr: bool = False,
) -> None:
    """Print the plan of one of several manifests, for a person."""
    say(f"{part.plan.manifest.file} → {part.plan.output}", err=to_stderr)
    listing.finish(part.cost, part.plan.manifest.review, price=cu_price)
    print_estimate(part, cu_price=cu_price, to_stderr=to_stderr)
    say(err=to_stderr)


def print_total(
    made: JointEstimate, cu_price: CuPrice | None, *, to_stderr: bool = False
) -> None:
    """Print what all manifests cost together, for a person."""
    cost = made.cost
    items = sum(part.plan.items for part in made.parts)
    jobs = sum(part.plan.total for part in made.parts)
    to_submit = sum(part.plan.to_submit for part in made.parts)
    counted = items_and_jobs(items, jobs)
    text = f"{len(made.parts)} manifests, {counted}: {to_submit:,} to submit"
    if cost is None:
        say(f"{text}; price not known", err=to_stderr)
        return
    say(f"{text}; {price_text(cost, cu_price)}", err=to_stderr)
    for line in cost_lines(made, cu_price):
        say(line, err=to_stderr)


def _print_total_event(made: JointEstimate) -> None:
    cost = made.cost
    counts = {
        str(action): sum(part.plan.counts[action] for part in made.parts)
        for action in Action
    }
    print_json(
        event="plan",
        items=sum(part.plan.items for part in made.parts),
        jobs=sum(part.plan.total for part in made.parts),
        counts=counts,
        blocked=sum(part.plan.blocked.total() for part in made.parts),
        orphans=sum(part.plan.orphan_count for part in made.parts),
        cost=cost_fields(made),
        unpriced=0 if cost is None else cost.unpriced,
        problems=[] if cost is None else list(cost.problems),
    )
