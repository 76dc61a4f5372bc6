"""``verify``: every file of an output folder against its sidecar."""

import shlex
from collections import Counter
from pathlib import Path

from pipeline.assets.checks.recorded import Finding
from pipeline.assets.sidecar import load_maker
from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import one_line, printable
from pipeline.errors import ExitCode
from pipeline.operations.verify import verify
from pipeline.output.folder import folder_of


def verify_command(output: Path, *, as_json: bool) -> ExitCode:
    """Check every asset against its sidecar."""
    found: Counter[Finding] = Counter()
    missing = ""
    for verified in verify(output):
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
    if as_json:
        counts = {str(finding): found[finding] for finding in Finding}
        print_json(event="done", exit_code=int(code), counts=counts)
        return code
    parts = [f"{found[finding]:,} {finding}" for finding in Finding if found[finding]]
    say(f"{output}: {', '.join(parts) or 'no assets'}")
    if missing:
        say(f"next: download what is missing, free: {_fetch(output, missing)}")
    return code


def _fetch(output: Path, asset: str) -> str:
    """The command that fetches a missing asset, with the manifest of its sidecar."""
    origin = load_maker(output, asset)
    if origin is None:
        return "pipeline fetch, with the manifest of this folder"
    usual = folder_of(origin.name, output=None, emulate=origin.is_emulated)
    words = ["pipeline", "fetch", origin.file]
    words += [] if usual.resolve() == output.resolve() else ["--output", str(output)]
    words += ["--emulate"] if origin.is_emulated else []
    return printable(shlex.join(words))
