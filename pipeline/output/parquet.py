"""Rows of an index → a Parquet file; the only module that knows pyarrow."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.output.index import COLUMNS

_ROWS_AT_ONCE = 10_000


def write_parquet(rows: Iterator[dict[str, Any]], path: Path) -> int:
    """Write rows as Parquet; the number of them.

    Raises:
        UsageError: pyarrow is not installed.
        OSError: The disk is full or not writable.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra, and large
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "a Parquet file needs the extra 'index'",
            hint="pip install 'scenario-pipeline[index]', or write a .jsonl file",
        ) from error
    schema = pa.schema(
        [(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()]
    )
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
    return count
