"""Index: a table of everything in an output folder or store, as a file."""

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.output.index import index_rows, write_rows
from pipeline.output.parquet import write_parquet
from pipeline.storage.atomic_file import storage_errors
from pipeline.storage.store import Store

_WRITERS = {".parquet": write_parquet, ".jsonl": write_rows}


def write_index(store: Store, path: Path) -> int:
    """Write one row for each asset that has a sidecar, completely or not at all.

    Args:
        store: Opened.
        path: Ends with ``.jsonl`` or ``.parquet``.

    Returns:
        How many rows there are.

    Raises:
        UsageError: Another ending, or the extra for Parquet is not installed.
        OutputError: The file cannot be written.
    """
    write = _WRITERS.get(path.suffix)
    if write is None:
        raise UsageError(
            f"{path} has no known ending", hint="end it with .jsonl or .parquet"
        )
    partial = path.with_name(f".{path.name}.partial")
    with storage_errors(path):
        try:
            count = write(index_rows(store), partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return count
