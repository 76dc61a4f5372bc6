"""``validate``: every fault of a manifest at once, and nothing else."""

import asyncio
from pathlib import Path

from pipeline.cli.console.printing import print_faults, print_json, print_note, say
from pipeline.counting import plural
from pipeline.errors import ExitCode, ManifestError
from pipeline.operations.validate import validate


def validate_command(
    manifest: Path, *, allow_outside: bool, offline: bool, profile: str, as_json: bool
) -> ExitCode:
    """Print every fault of the manifest at once."""
    try:
        loaded, count, notes = asyncio.run(
            validate(
                manifest, allow_outside=allow_outside, offline=offline, profile=profile
            )
        )
    except ManifestError as error:
        if not as_json:
            raise
        print_faults(error)
        print_json(event="done", exit_code=int(error.exit_code))
        return error.exit_code
    for note in notes:
        print_note(note)
    if as_json:
        print_json(event="done", exit_code=0, counts={"items": count})
    else:
        say(f"{loaded.file}: {plural(count, 'item')}, no faults")
    return ExitCode.OK
