"""``validate``: every fault of the manifests at once, and nothing else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli.console.printing import print_faults, print_json, print_note, say
from pipeline.cli.console.subject import about
from pipeline.counting import items_and_jobs
from pipeline.errors import ExitCode, Fault, ManifestError
from pipeline.operations.validate import validate


def validate_command(
    manifests: Sequence[Path],
    *,
    allow_outside: bool,
    offline: bool,
    profile: str,
    as_json: bool,
) -> ExitCode:
    """Print every fault of the manifests at once."""
    faults: list[Fault] = []
    items = jobs = 0
    for manifest in manifests:
        try:
            loaded, count, notes = asyncio.run(
                validate(
                    manifest,
                    allow_outside=allow_outside,
                    offline=offline,
                    profile=profile,
                )
            )
        except ManifestError as error:
            faults += error.faults
            if as_json:
                print_faults(error)
            continue
        written = loaded.written_count
        items += written
        jobs += count
        for note in notes:
            print_note(note)
        if not as_json:
            say(f"{loaded.file}: {items_and_jobs(written, count)}, no faults")
        elif len(manifests) > 1:
            with about(str(manifest)):
                counts = {"items": written, "jobs": count}
                print_json(event="result", exit_code=0, counts=counts)
    if faults and not as_json:
        raise ManifestError(faults)
    if faults:
        print_json(event="done", exit_code=int(ManifestError.exit_code))
        return ManifestError.exit_code
    if as_json:
        print_json(event="done", exit_code=0, counts={"items": items, "jobs": jobs})
    return ExitCode.OK
