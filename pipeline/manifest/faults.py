"""The faults found so far in one file and in the files it names."""

from collections.abc import Sequence

from pipeline.errors import Fault, ManifestError
from pipeline.visible import visible

# A million wrong rows are one mistake repeated; nobody reads more than this.
MAX_FAULTS = 100
_MAX_MESSAGE_CHARS = 500


class Faults:
    """Collects faults, each of them once.

    Args:
        file: The path as the user gave it; shown in the faults.
        keys: Of a manifest that is not a file: the key of each line.
    """

    def __init__(self, file: str, keys: Sequence[str] = ()) -> None:
        self.file = file
        self._keys = keys
        self._found: dict[Fault, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached, so that looking further is of no use."""
        return len(self._found) >= MAX_FAULTS

    def add(self, mark: int, message: str, hint: str = "") -> None:
        """Add a fault at a packed mark of the manifest."""
        self.add_at(mark >> 32, mark & 0xFFFFFFFF, message, hint)

    def add_at(
        self, line: int, column: int, message: str, hint: str = "", file: str = ""
    ) -> None:
        """Add a fault at a line and column, in another file if one is named."""
        in_it = file in {"", self.file} and 0 < line <= len(self._keys)
        fault = Fault(
            file=file or self.file,
            key=self._keys[line - 1] if in_it else "",
            line=line,
            column=column,
            message=_on_one_line(message),
            hint=_on_one_line(hint),
        )
        if not self.is_full:
            self._found[fault] = None

    def all(self) -> tuple[Fault, ...]:
        """The faults, in the order they were found."""
        return tuple(self._found)

    def raise_any(self) -> None:
        """Raise the faults, if there are any.

        Raises:
            ManifestError: There is at least one fault.
        """
        if self._found:
            raise ManifestError(self.all())


def _on_one_line(text: str) -> str:
    # Text from a manifest is shown in terminals: no line ends, no escape sequences.
    shown = visible(text)
    return (
        shown if len(shown) <= _MAX_MESSAGE_CHARS else shown[:_MAX_MESSAGE_CHARS] + "…"
    )
