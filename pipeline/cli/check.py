"""``check``: which items are ready to be shipped; exit code 3 if not all are."""

from pathlib import Path
from typing import Any

from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import one_line
from pipeline.cli.loading import load
from pipeline.counting import plural
from pipeline.errors import ExitCode, UsageError
from pipeline.operations.check import check_approved
from pipeline.planning import Selection


def check_command(
    manifest: Path,
    *,
    approved: bool,
    select: tuple[str, ...],
    emulate: bool,
    as_json: bool,
    **place: Any,
) -> ExitCode:
    """Print the items whose chosen take is not approved."""
    if not approved:
        raise UsageError("there is nothing to check", hint="add --approved")
    loaded, folder = load(manifest, emulate=emulate, **place)
    total = missing = 0
    for one in check_approved(
        loaded, folder, emulate=emulate, selection=Selection(globs=select)
    ):
        total += 1
        missing += bool(one.lacks)
        if as_json:
            print_json(
                event="approval",
                item_id=one.item_id,
                take=one.take,
                approved=not one.lacks,
                by=one.by,
                reason=one.lacks,
            )
        elif one.lacks:
            say(f"{one.item_id}: {one_line(one.lacks)}")
    code = ExitCode.ITEMS_FAILED if missing else ExitCode.OK
    if as_json:
        counts = {"approved": total - missing, "not_approved": missing}
        print_json(event="done", exit_code=int(code), counts=counts)
    else:
        say(f"{loaded.name}: {total - missing:,} of {plural(total, 'item')} approved")
    return code
