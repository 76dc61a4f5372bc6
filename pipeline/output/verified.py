"""Files that were found whole ↔ a file of JSON lines, so that a check can go on."""

import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import UsageError
from pipeline.job import Asset
from pipeline.storage.atomic_file import storage_errors
from pipeline.storage.store import Store


class VerifiedFiles:
    """Remembers which files were whole, each as it is found: ``with``.

    A file counts as long as its recorded SHA-256 and its size are the same.

    Attributes:
        passed_over: How many were known when they were asked for.

    Args:
        path: The file; it need not exist.

    Raises:
        UsageError: It is another file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[str, int]] = {}
        self.passed_over = 0
        with contextlib.suppress(FileNotFoundError):
            self._load()

    def __enter__(self) -> Self:
        with storage_errors(self._path):
            self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def has(self, asset: Asset, store: Store) -> bool:
        """Whether a file was whole, and is still as large."""
        known = self._known.get(asset.path)
        is_known = known == (asset.sha256, store.size_of(asset.path))
        self.passed_over += is_known
        return is_known

    def add(self, asset: Asset, store: Store) -> None:
        """Remember a whole file.

        Raises:
            OutputError: The disk is full.
        """
        size_bytes = store.size_of(asset.path)
        record = {"path": asset.path, "sha256": asset.sha256, "size_bytes": size_bytes}
        with storage_errors(self._path):
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    def _load(self) -> None:
        content = self._path.read_bytes()
        *whole, rest = content.split(b"\n")
        try:
            for line in whole:
                record = json.loads(line)
                self._known[record["path"]] = (record["sha256"], record["size_bytes"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(
                f"{self._path} was not written by pipeline verify",
                hint="name another file, or one that does not exist yet",
            ) from error
        if rest:  # cut off by a crash
            with storage_errors(self._path):
                self._path.write_bytes(content[: len(content) - len(rest)])
