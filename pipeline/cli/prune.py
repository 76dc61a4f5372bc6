"""``prune``: removes the files of items that are no longer in the manifest."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.console.asking import agree
from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import one_line, printable, size
from pipeline.cli.loading import load_opened
from pipeline.cli.next_step import command_line
from pipeline.counting import plural
from pipeline.errors import ExitCode, UsageError
from pipeline.operations.prune import OrphanFile, prune


def prune_command(
    manifest: Path,
    *,
    yes: bool,
    as_json: bool,
    **place: Any,
) -> ExitCode:
    """List the files of removed items, ask once, and remove them."""
    loaded, store = load_opened(manifest, **place)
    command = f"{printable(command_line('prune'))} --yes"

    def approve(files: Sequence[OrphanFile]) -> None:
        if yes:
            return
        _list(files, to_stderr=True)
        going = sum(not file.kept for file in files)
        question = f"remove {plural(going, 'file')} from {store.describe()}"
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                f"this would {question}, and there is no terminal to ask on",
                hint=f"check the list, then: {command}",
            )
        agree(f"{question.capitalize()}?")

    files = prune(loaded, store, approve)
    removed = [file for file in files if not file.kept]
    size_bytes = sum(file.size_bytes for file in removed)
    if as_json:
        _print_events(files, size_bytes)
        return ExitCode.OK
    if yes or not removed:
        _list(files, to_stderr=False)
    said = f"{plural(len(removed), 'file')} removed, {size(size_bytes)}"
    say(f"{store.describe()}: {said if removed else 'nothing to remove'}")
    return ExitCode.OK


def _list(files: Sequence[OrphanFile], *, to_stderr: bool) -> None:
    for file in files:
        what = f"kept, {one_line(file.kept)}" if file.kept else size(file.size_bytes)
        whose = one_line(file.item_id) or "an original that nothing uses"
        say(f"- {whose}: {one_line(file.path)} ({what})", err=to_stderr)


def _print_events(files: Sequence[OrphanFile], size_bytes: int) -> None:
    for file in files:
        print_json(
            event="file",
            item_id=file.item_id,
            path=file.path,
            size_bytes=file.size_bytes,
            removed=not file.kept,
            detail=file.kept,
        )
    kept = sum(bool(file.kept) for file in files)
    print_json(
        event="done",
        exit_code=0,
        counts={"removed": len(files) - kept, "kept": kept},
        size_bytes=size_bytes,
    )
