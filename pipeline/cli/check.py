"""``check``: what needs review or is not approved yet; then the exit code is 3."""

from pathlib import Path
from typing import Any

from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import one_line
from pipeline.cli.loading import load_opened
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.manifest import Manifest
from pipeline.operations.check import check, check_approved, count_open
from pipeline.planning import Selection
from pipeline.storage.store import Store


def check_command(
    manifest: Path,
    *,
    approved: bool,
    select: tuple[str, ...],
    emulate: bool,
    as_json: bool,
    **place: Any,
) -> ExitCode:
    """Check the saved pictures, or with ``approved`` only the approvals."""
    loaded, store = load_opened(manifest, emulate=emulate, **place)
    selection = Selection(globs=select)
    if approved:
        return _check_approvals(
            loaded, store, selection, emulate=emulate, as_json=as_json
        )
    return _check_pictures(loaded, store, selection, as_json=as_json)


def _check_pictures(
    loaded: Manifest, store: Store, selection: Selection, *, as_json: bool
) -> ExitCode:
    checked = check(loaded, store, selection=selection)
    left = count_open(checked)
    code = ExitCode.ITEMS_FAILED if left else ExitCode.OK
    if as_json:
        for one in checked:
            print_json(
                event="check",
                item_id=one.item_id,
                path=one.asset.path,
                needs_review=one.asset.review,
                checks={result.name: result.why for result in one.asset.checks},
            )
        counts = {"passed": len(checked) - left, "needs_review": left}
        print_json(event="done", exit_code=int(code), counts=counts)
        return code
    for one in checked:
        if one.asset.review:
            say(review_line(one.item_id, one.asset.path, one.asset.review))
    said = f"{len(checked) - left:,} passed"
    said += f", {left:,} {'needs' if left == 1 else 'need'} review" if left else ""
    say(f"{store.describe()}: {plural(len(checked), 'picture')} checked, {said}")
    return code


def _check_approvals(
    loaded: Manifest,
    store: Store,
    selection: Selection,
    *,
    emulate: bool,
    as_json: bool,
) -> ExitCode:
    total = missing = 0
    for one in check_approved(loaded, store, emulate=emulate, selection=selection):
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


def review_line(item_id: str, path: str, why: str) -> str:
    """``? oak: oak.png: alpha: it has no transparency``, in one line."""
    return f"? {one_line(item_id)}: {one_line(path)}: {one_line(why, 400)}"
