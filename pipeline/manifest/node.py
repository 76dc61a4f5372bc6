"""Node: a value from a manifest that remembers its line and column."""


class Broken:
    """The value of a node whose fault has already been reported."""


BROKEN = Broken()

Scalar = None | bool | int | float | str
NodeValue = Scalar | Broken | list["Node"] | dict[str, "Node"]


class Node:
    """A value and its position.

    Attributes:
        value: A scalar, a list of Nodes, a dict of Nodes, or BROKEN.
        mark: Line and column packed by ``pack_mark``.
        key_mark: The mark of its key if it is in a mapping, else the same as ``mark``.
        text: A number as written, so that 1.50 stays 1.50 in an id; else "".
    """

    # A plain class with slots: a manifest can have hundreds of thousands of nodes.
    __slots__ = ("key_mark", "mark", "text", "value")

    def __init__(self, value: NodeValue, mark: int, text: str = "") -> None:
        self.value = value
        self.mark = mark
        self.key_mark = mark
        self.text = text

    def __repr__(self) -> str:
        line, column = unpack_mark(self.mark)
        return f"Node({self.value!r} at {line}:{column})"


def pack_mark(line: int, column: int) -> int:
    """Line and column, both from 1, in one int."""
    return line << 32 | column


def unpack_mark(mark: int) -> tuple[int, int]:
    """The line and column, both from 1, of a packed mark."""
    return mark >> 32, mark & 0xFFFFFFFF
