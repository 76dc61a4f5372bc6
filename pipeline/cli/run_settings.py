"""Options of a run → which items, and the limits and timeouts."""

import re
from dataclasses import replace

from pipeline.cli.options import RunOptions
from pipeline.cli.plan import parse_cost
from pipeline.errors import UsageError
from pipeline.executors.choice import check_executor
from pipeline.planning import Selection
from pipeline.settings import Settings


def selection_of(
    options: RunOptions, *, only_failed: bool, only_fetch: bool
) -> Selection:
    """The items that the options select, of those that the command applies to."""
    return Selection(
        globs=options.select,
        shard=options.shard,
        limit=options.limit,
        force=options.force,
        only_failed=only_failed,
        only_fetch=only_fetch,
        verify=options.verify,
        only=options.only or "",
        as_new=options.as_new,
    )


def settings_of(options: RunOptions) -> Settings:
    """The limits and timeouts that the options set."""
    default = Settings()
    fail_count, fail_share = parse_threshold(options.fail_threshold)
    # The emulator lists a new job at once: there is little to wait for.
    settle_s = 2.0 if options.emulate else default.settle_s
    return replace(
        default,
        max_jobs=options.max_jobs,
        job_timeout_s=options.job_timeout or default.job_timeout_s,
        submit_timeout_s=options.submit_timeout or default.submit_timeout_s,
        settle_s=settle_s if options.settle is None else options.settle,
        output_s=2.0 if options.emulate else default.output_s,
        rpm=options.rpm,
        deadline_s=parse_duration(options.deadline),
        max_pause_s=parse_duration(options.max_pause, option="--max-pause")
        or default.max_pause_s,
        fail_count=1 if options.fail_fast else fail_count,
        fail_share=fail_share,
        max_cost=parse_cost(options.max_cost),
        strict=options.strict,
        frozen=options.frozen,
        keep_old=options.keep_old,
        lock_file=not options.no_lock_file,
        unchecked=options.unchecked,
        allow_unpriced=options.allow_unpriced,
        executor=check_executor(options.executor),
    )


def parse_duration(text: str | None, *, option: str = "--deadline") -> float | None:
    """``90``, ``90s``, ``45m`` or ``2h`` in seconds.

    Args:
        text: The option's value, or None.
        option: The option's name.

    Raises:
        UsageError: Anything else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(
            f"{option} {text!r} is not a duration", hint="write it like 90s, 45m or 2h"
        )
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse_threshold(text: str | None) -> tuple[int | None, float | None]:
    """``5`` as a count, or ``3%`` as a part of all items.

    Raises:
        UsageError: Anything else.
    """
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%|([1-9]\d*)", text.strip())
    if match is None:
        raise UsageError(
            f"--fail-threshold {text!r} is neither a count nor a percentage",
            hint="write it like 5 or 3%",
        )
    if match[2] is not None:
        return int(match[2]), None
    return None, float(match[1]) / 100
