"""``status``: how the items of a manifest stand, in numbers and reasons."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.cli.check import review_line
from pipeline.cli.console.money import CuPrice, in_money, units_text
from pipeline.cli.console.printing import failure_line, print_json, say
from pipeline.cli.console.subject import about
from pipeline.cli.console.text import one_line
from pipeline.cli.loading import load_opened
from pipeline.cli.plan_all import refuse_for_several
from pipeline.cli.run_summary import find_places
from pipeline.counting import choose, items_and_jobs
from pipeline.errors import ExitCode
from pipeline.job import JobStatus
from pipeline.manifest import Manifest
from pipeline.operations.status import Status, read_status
from pipeline.planning.shards import Shard
from pipeline.report.outcomes import WORDS
from pipeline.running.items import ItemStatus
from pipeline.storage.store import Store
from pipeline.units import units_number

_SENTENCES_SHOWN = 20


def status_command(
    manifests: Sequence[Path],
    *,
    emulate: bool,
    shard: Shard | None,
    as_json: bool,
    cu_price: CuPrice | None,
    output: Path | None,
    store: str = "",
    **place: Any,
) -> ExitCode:
    """Print counts and reasons from ledger, sidecars and lock file."""
    show = partial(
        _show, shard=shard, emulate=emulate, as_json=as_json, cu_price=cu_price
    )
    if len(manifests) == 1:
        show(
            *load_opened(
                manifests[0], emulate=emulate, output=output, store=store, **place
            )
        )
        return ExitCode.OK
    refuse_for_several(output=output, store=store)
    for number, manifest in enumerate(manifests):
        if number and not as_json:
            say()
        with about(str(manifest)):
            show(*load_opened(manifest, emulate=emulate, output=None, **place))
    return ExitCode.OK


def _show(
    loaded: Manifest,
    store: Store,
    *,
    shard: Shard | None,
    emulate: bool,
    as_json: bool,
    cu_price: CuPrice | None,
) -> None:
    status = read_status(loaded, store, emulate=emulate, shard=shard)
    if as_json:
        _print_events(status, store.home)
        return
    of_shard = "" if shard is None else f" of shard {shard}"
    counted = items_and_jobs(sum(status.counts.values()), status.jobs)
    say(f"{loaded.name}: {counted}{of_shard} → {store.describe()}")
    _show_counts(status, cu_price)
    _show_troubles(status, loaded)
    for sentence in status.stale[:_SENTENCES_SHOWN]:
        say(f"  {one_line(sentence)}")
    if len(status.stale) > _SENTENCES_SHOWN:
        say(f"  … and {len(status.stale) - _SENTENCES_SHOWN:,} more decisions")
    if status.reviews:
        say(f"  {len(status.reviews):>8,}  files need review")
    for review in status.reviews[:_SENTENCES_SHOWN]:
        say(review_line(*review))
    if len(status.reviews) > _SENTENCES_SHOWN:
        say(f"  … and {len(status.reviews) - _SENTENCES_SHOWN:,} more")


def _show_troubles(status: Status, loaded: Manifest) -> None:
    blocked = status.blocked[:_SENTENCES_SHOWN]
    ids = [*(job.item_id for job in status.troubled), *(one for one, _ in blocked)]
    places = find_places(loaded, ids)
    for job in status.troubled:
        say(
            failure_line(
                job.item_id,
                job.failure.reason if job.failure else "",
                place=places.get(job.item_id, ""),
                is_unsure=job.status is JobStatus.UNKNOWN,
            )
        )
    for item_id, reason in blocked:
        say(failure_line(item_id, reason, place=places.get(item_id, "")))
    if len(status.blocked) > len(blocked):
        say(f"  … and {len(status.blocked) - len(blocked):,} more are blocked")


def _print_events(status: Status, folder: Path) -> None:
    counts, cost = status.counts, status.cost
    for job in status.troubled:
        print_json(
            event="item",
            item_id=job.item_id,
            status=str(job.status),
            job_id=job.remote_id,
            reason=job.failure.reason if job.failure else "",
            hint=job.failure.hint if job.failure else "",
        )
    for item_id, reason in status.blocked:
        print_json(
            event="item",
            item_id=item_id,
            status="blocked",
            job_id=None,
            reason=reason,
            hint="",
        )
    for item_id, path, why in status.reviews:
        print_json(
            event="item",
            item_id=item_id,
            status="needs-review",
            path=path,
            reason=why,
        )
    print_json(
        event="status",
        output=str(folder),
        items=sum(counts.values()),
        jobs=status.jobs,
        counts={str(one): counts.get(one, 0) for one in ItemStatus},
        changed=status.changed,
        submitting=status.submitting,
        to_fetch=status.to_fetch,
        orphans=status.orphans,
        needs_review=len(status.reviews),
        cost={
            "charged": units_number(cost.charged),
            "refunded": units_number(cost.refunded),
            "reserved": units_number(cost.reserved),
        },
        stale=list(status.stale),
    )


def _show_counts(status: Status, price: CuPrice | None) -> None:
    counts, cost = status.counts, status.cost
    is_new = not counts.keys() - {ItemStatus.NOT_SUBMITTED} and not cost.jobs
    if is_new and not status.orphans:
        say("  nothing has been submitted yet")
        return
    for one in reversed(ItemStatus):
        if counts.get(one):
            say(f"  {counts[one]:>8,}  {WORDS[one]}")
    if status.submitting:
        text = "of them being submitted by a run in progress"
        say(f"  {status.submitting:>8,}  {text}")
    if status.to_fetch:
        text = f"to be fetched, free, such as {one_line(status.why_fetch)}"
        say(f"  {status.to_fetch:>8,}  of them {text}")
    if status.changed:
        text = "of them to be made again: they ask for something else now"
        say(f"  {status.changed:>8,}  {text}")
    if status.orphans:
        others = choose(status.orphans, "other is", "others are")
        say(f"  {status.orphans:>8,}  {others} no longer in the manifest")
    for units, word in (
        (cost.charged, "compute units charged"),
        (cost.refunded, "refunded"),
        (cost.reserved, "reserved"),
    ):
        if units or units is cost.charged:
            say(f"  {units_text(units):>8}  {word}{in_money(units, price)}")
