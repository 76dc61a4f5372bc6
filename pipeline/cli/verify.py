"""``verify``: every file of an output folder or store against its sidecar."""

import shlex
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from pipeline.assets.checks.recorded import Finding
from pipeline.assets.sidecar import load_maker
from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import one_line, printable
from pipeline.cli.opening import open_place
from pipeline.counting import plural
from pipeline.errors import ExitCode, UsageError
from pipeline.operations.verify import verify
from pipeline.output.folder import folder_of
from pipeline.output.stores import is_elsewhere
from pipeline.output.verified import VerifiedFiles
from pipeline.storage.store import Store


def verify_command(
    place: str, *, sample: str | None, progress: Path | None, as_json: bool
) -> ExitCode:
    """Check every asset against its sidecar."""
    share = None if sample is None else _parse_share(sample)
    with ExitStack() as opened:
        store = open_place(place, opened)
        known = None
        if progress is not None:
            known = opened.enter_context(VerifiedFiles(progress))
        return _verify(store, share, known, as_json=as_json)


def _verify(
    store: Store, share: float | None, known: VerifiedFiles | None, *, as_json: bool
) -> ExitCode:
    found: Counter[Finding] = Counter()
    missing = ""
    for verified in verify(store, sample=share, known=known):
        found[verified.finding] += 1
        if verified.finding is Finding.MISSING:
            missing = missing or verified.path
        if as_json:
            print_json(
                event="file",
                path=verified.path,
                finding=str(verified.finding),
                detail=verified.detail,
            )
        elif verified.finding is not Finding.OK:
            detail = f": {one_line(verified.detail)}" if verified.detail else ""
            say(f"{verified.finding:>8}  {one_line(verified.path)}{detail}")
    sound = not found.total() - found[Finding.OK]
    code = ExitCode.OK if sound else ExitCode.ITEMS_FAILED
    before = 0 if known is None else known.passed_over
    if as_json:
        counts = {str(finding): found[finding] for finding in Finding}
        more = {} if known is None else {"known": before}
        print_json(event="done", exit_code=int(code), counts=counts, **more)
        return code
    parts = [f"{found[finding]:,} {finding}" for finding in Finding if found[finding]]
    if before:
        parts.append(f"{plural(before, 'asset')} checked before")
    say(f"{store.describe()}: {', '.join(parts) or 'no assets'}")
    if missing:
        say(f"next: download what is missing, free: {_fetch(store, missing)}")
    return code


def _fetch(store: Store, asset: str) -> str:
    """The command that fetches a missing asset, with the manifest of its sidecar."""
    origin = load_maker(store.home, asset)
    if origin is None:
        return "pipeline fetch, with the manifest of this folder"
    usual = folder_of(origin.name, output=None, emulate=origin.is_emulated)
    words = ["pipeline", "fetch", origin.file]
    if is_elsewhere(store):
        words += ["--store", store.describe()]
    elif usual.resolve() != store.home.resolve():
        words += ["--output", str(store.home)]
    words += ["--emulate"] if origin.is_emulated else []
    return printable(shlex.join(words))


def _parse_share(text: str) -> float:
    """``5%`` → 0.05.

    Raises:
        UsageError: No percentage above 0 and up to 100.
    """
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not text.endswith("%") or not 0 < share <= 1:
        raise UsageError(
            f"--sample must be a percentage, not {text[:40]!r}",
            hint="write it like 5%",
        )
    return share
