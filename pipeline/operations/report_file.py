"""A report's file: replaced completely or not at all, and never another file."""

from pathlib import Path

from pipeline.errors import OutputError, UsageError
from pipeline.storage.atomic_file import write_beside

_START_BYTES = 1000


def check_report_file(path: Path | None, mark: str, *, option: str, kind: str) -> None:
    """Refuse to overwrite anything but an earlier report, such as the manifest.

    Args:
        path: The file that will be written, which need not exist; or None.
        mark: What is found at the start of every report of this kind.
        option: The option that names the file, such as ``--junit``.
        kind: The kind, such as ``a JUnit report``.

    Raises:
        UsageError: Another file is there, or it cannot be read.
    """
    if path is None or not path.exists():
        return
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        raise UsageError(
            f"{option}: {path} cannot be read: {error.strerror or error}",
            hint="choose another name",
        ) from error
    if start and mark.encode() not in start:
        raise UsageError(
            f"{option}: {path} exists and is not {kind}",
            hint="choose another name, or remove it",
        )


def write_report_file(path: Path, text: str, *, option: str) -> None:
    """Write a report.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        write_beside(path, text.encode("utf-8", "backslashreplace"))
    except OutputError as error:
        raise OutputError(error.message, hint=f"choose another {option}") from error
