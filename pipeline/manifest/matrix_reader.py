"""``matrix`` of an item: Nodes → Matrix, and every fault in it."""

from collections.abc import Collection, Mapping

from pipeline.manifest.keys import MATRIX_KEYS
from pipeline.manifest.matrix import Matrix, ValueKey, value_key
from pipeline.manifest.node import Node
from pipeline.manifest.node_reader import VARIABLE_NAME, NodeReader
from pipeline.models.wording import suggestion

MAX_AXES = 50
MAX_MATRIX_ENTRIES = 1_000


class MatrixReader:
    """Reads the matrices of one manifest.

    Args:
        reader: Reads the manifest's nodes.
    """

    def __init__(self, reader: NodeReader) -> None:
        self._reader = reader
        self._faults = reader.faults

    def read(self, node: Node) -> Matrix | None:
        """The matrix, or None and faults."""
        entries = self._reader.mapping(node, "matrix")
        if entries is None:
            return None
        before = len(self._faults)
        axes: dict[str, tuple[Node, ...]] = {}
        brought: dict[str, Mapping[ValueKey, Mapping[str, Node]]] = {}
        for name, values in entries.items():
            if name in MATRIX_KEYS:
                continue
            if not VARIABLE_NAME.fullmatch(name):
                hint = "use letters, digits, '_' and '-'"
                self._faults.add(
                    values.key_mark, f"'{name[:80]}' is not an axis name", hint
                )
            elif isinstance(values.value, dict):
                axes[name], brought[name] = self._mapped_axis(name, values)
            else:
                axes[name] = self._axis(name, values)
        self._check_brought(brought, axes)
        exclude = self._entries(entries.get("exclude"), "exclude", brought)
        include = self._entries(entries.get("include"), "include", brought)
        for entry in exclude:
            self._check_exclude(entry, axes)
        if len(axes) > MAX_AXES:
            text = f"a matrix has at most {MAX_AXES} axes"
            self._faults.add(node.mark, text, "use `rows` for the items you want")
        if not axes and not include:
            self._faults.add(
                node.mark, "the matrix has no axis", "write `axis: [a, b]`"
            )
        if len(self._faults) > before or self._faults.is_full:
            return None
        return Matrix(axes, exclude, include, brought)

    def _axis(self, name: str, node: Node) -> tuple[Node, ...]:
        values = self._reader.sequence(node, f"axis '{name}'")
        if values == []:
            self._faults.add(node.mark, f"axis '{name}' has no values")
        seen: dict[tuple[str, object], Node] = {}
        for value in values or ():
            if not self._reader.scalar(value, f"a value of axis '{name}'"):
                continue
            first = seen.setdefault(value_key(value), value)
            if first is not value:
                text = (
                    f"axis '{name}' has the value '{value.text or value.value}' twice"
                )
                self._faults.add(value.mark, text)
        return tuple(seen.values())

    def _mapped_axis(
        self, name: str, node: Node
    ) -> tuple[tuple[Node, ...], dict[ValueKey, Mapping[str, Node]]]:
        """An axis written as a mapping: its values, and the variables of each."""
        if not node.value:
            self._faults.add(node.mark, f"axis '{name}' has no values")
        values: list[Node] = []
        brought: dict[ValueKey, Mapping[str, Node]] = {}
        assert isinstance(node.value, dict)
        for text, entry in node.value.items():
            what = f"'{text[:80]}' of axis '{name}'"
            value = Node(text, entry.key_mark)
            if not self._reader.scalar(value, what):
                continue
            values.append(value)
            if isinstance(entry.value, str | int | float):
                message = f"{what} must be a mapping of variables"
                hint = (
                    f"give it a name, as in: {text[:80]}: {{px: {shown_scalar(entry)}}}"
                )
                self._faults.add(entry.mark, message, hint)
            else:
                brought[value_key(value)] = self._reader.variables(entry, what)
        return tuple(values), brought

    def _check_brought(
        self,
        brought: Mapping[str, Mapping[ValueKey, Mapping[str, Node]]],
        axes: Collection[str],
    ) -> None:
        """Report variables that an axis brings and that mean something else too."""
        owners: dict[str, str] = {}
        for axis, values in brought.items():
            for variables in values.values():
                for name, node in variables.items():
                    owner = owners.setdefault(name, axis)
                    if name in axes:
                        text = f"'{name}' is an axis itself"
                    elif owner != axis:
                        text = f"axis '{owner}' already brings a '{name}'"
                    else:
                        continue
                    self._faults.add(node.key_mark, text, "rename one of them")

    def _entries(
        self, node: Node | None, what: str, mapped: Collection[str]
    ) -> tuple[Mapping[str, Node], ...]:
        elements = self._reader.sequence(node, what) if node is not None else None
        found: list[Mapping[str, Node]] = []
        if node is not None and elements and len(elements) > MAX_MATRIX_ENTRIES:
            text = f"{what} has at most {MAX_MATRIX_ENTRIES:,} entries"
            self._faults.add(node.mark, text, "use `rows` for the items you want")
            return ()
        for element in elements or ():
            entry = self._reader.variables(element, f"an entry of {what}")
            if element.value == {}:
                self._faults.add(element.mark, f"an entry of {what} is empty")
            # The keys of a mapping are texts, so that `512` means the key `512`.
            for name in entry.keys() & mapped:
                entry[name] = text_node(entry[name])
            if entry:
                found.append(entry)
        return tuple(found)

    def _check_exclude(
        self, entry: Mapping[str, Node], axes: Mapping[str, tuple[Node, ...]]
    ) -> None:
        for name, node in entry.items():
            if name not in axes:
                hint = suggestion(name, list(axes))
                self._faults.add(node.key_mark, f"exclude: no axis '{name}'", hint)
            elif value_key(node) not in set(map(value_key, axes[name])):
                values = [str(value.text or value.value) for value in axes[name]]
                shown = node.text or node.value
                text = f"exclude: axis '{name}' has no value '{shown}'"
                self._faults.add(node.mark, text, suggestion(str(shown), values))


def text_node(node: Node) -> Node:
    """The node of a scalar as the same text."""
    found = Node(shown_scalar(node), node.mark)
    found.key_mark = node.key_mark
    return found


def shown_scalar(node: Node) -> str:
    """A scalar as it is written."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return node.text or str(node.value)
