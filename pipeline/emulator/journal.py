"""What the emulator must know after a restart, as lines of JSON in one file.

Each line is handed to the operating system before the answer that depends on it is
sent, so a killed process loses nothing. A line that a crash has left incomplete is cut
off. What the lines mean is left to ``service``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

Record = Mapping[str, object]


class Journal:
    """An append-only file of records.

    Args:
        path: The file. Its folder is created. None keeps no records.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: A complete line is not valid JSON.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def load_records(self) -> Iterator[dict[str, object]]:
        """Every record so far, in order. Afterwards the journal accepts new ones."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        self._file.seek(0)
        whole = 0
        try:
            for line in self._file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                yield _parse_entry(line)
        except ValueError:
            self.close()
            raise
        self._file.seek(whole)
        self._file.truncate()

    def append(self, kind: str, record: Record) -> None:
        """Write one record."""
        if self._file is None:
            return
        entry = {"kind": kind, "record": record}
        line = json.dumps(entry, separators=(",", ":"))
        self._file.write(f"{line}\n".encode())
        self._file.flush()

    def close(self) -> None:
        """Close the file. Later records are not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _parse_entry(line: bytes) -> dict[str, object]:
    entry = json.loads(line)
    if (
        isinstance(entry, dict)
        and isinstance(entry.get("kind"), str)
        and isinstance(entry.get("record"), dict)
    ):
        return entry
    raise ValueError("a line is not a record")


class FileStore:
    """Bytes by name, in memory or in a folder.

    Args:
        folder: The folder of the files. None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        """Keep bytes under a name."""
        if self._folder is None:
            self._memory[name] = data
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        # An earlier process may have been killed here; a link must not be followed.
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            file.write(data)
        part.replace(self._folder / name)

    def get(self, name: str) -> bytes | None:
        """The bytes under a name, or None."""
        if self._folder is None:
            return self._memory.get(name)
        path = self._folder / name
        if path.is_symlink() or not path.is_file():  # put() makes regular files only
            return None
        return path.read_bytes()

    def drop(self, name: str) -> None:
        """Delete the bytes under a name."""
        self._memory.pop(name, None)
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)
