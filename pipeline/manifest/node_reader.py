"""Nodes → plain values of the type a key requires, or a fault at their position."""

import re
from collections.abc import Collection, Mapping

from pipeline.job import JsonValue
from pipeline.manifest.faults import Faults
from pipeline.manifest.keys import ITEM_KEYS, TEXT_KEYS
from pipeline.manifest.node import Broken, Node, pack_mark, unpack_mark
from pipeline.manifest.quoting import quoted as in_quotes
from pipeline.manifest.quoting import write
from pipeline.manifest.source import MAX_SCALAR_CHARS
from pipeline.manifest.substitution import (
    BadTemplate,
    Compiled,
    DictTemplate,
    ListTemplate,
    Template,
    is_dynamic,
    parse_template,
)
from pipeline.manifest.text import Places
from pipeline.manifest.written import after_key, as_text
from pipeline.models.wording import suggestion

# A key and its value, with another sign between them.
_KEY_AND_VALUE = re.compile(
    r"([A-Za-z_]\w*)[ \t]*[=\uff1a:][ \t]*([^\n]*?)(?=\s+\w+ ?[=\uff1a]|$)"
)
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def kind_of(node: Node) -> str:
    """What kind of value it is, worded for a message."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {node.text or value}"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


class NodeReader:
    """Reads values from Nodes and reports those of the wrong type.

    Args:
        text: The manifest's text, for finding columns.
        faults: Collects what is wrong.
    """

    def __init__(self, text: str, faults: Faults) -> None:
        self._places = Places(text)
        self.faults = faults

    def mark_of(self, node: Node, needle: str) -> int:
        """The mark of a part of a node's text, or the node's own if it is not found."""
        if self.faults.is_full:
            return node.mark
        place = self._places.find(*unpack_mark(node.mark), needle, MAX_SCALAR_CHARS)
        return pack_mark(*place) if place else node.mark

    def mapping(self, node: Node, what: str) -> Mapping[str, Node] | None:
        """The entries of a mapping, or None and a fault."""
        if isinstance(node.value, dict):
            return node.value
        hint = ""
        found = (
            _KEY_AND_VALUE.match(node.value) if isinstance(node.value, str) else None
        )
        # Nothing else is shown: a file that is no manifest may hold secrets.
        if found and found[1] in ITEM_KEYS:
            hint = write(f"{found[1]}: {found[2]}")
        self._wrong(node, f"{what} must be a mapping (key: value)", hint)
        return None

    def entries(self, node: Node | None, what: str) -> Mapping[str, Node]:
        """The entries of a mapping that may be left out or empty."""
        if node is None or node.value is None:
            return {}
        return self.mapping(node, what) or {}

    def sequence(self, node: Node, what: str) -> list[Node] | None:
        """The elements of a list, or None and a fault."""
        if isinstance(node.value, list):
            return node.value
        hint = ""
        if isinstance(node.value, dict) and node.value:
            first = self._places.line(unpack_mark(node.mark)[0]).strip()
            hint = f"begin each entry with '- ', as in: - {first}"
        self._wrong(node, f"{what} must be a list", hint)
        return None

    def string(self, node: Node, what: str) -> str | None:
        """A text, or None and a fault."""
        if isinstance(node.value, str):
            return node.value
        quoted = node.text or {True: "true", False: "false"}.get(node.value is True)
        is_plain = isinstance(node.value, bool | int | float)
        hint = f'put it in quotes: "{quoted}"' if is_plain else ""
        if node.value is None and what in TEXT_KEYS:
            hint = after_key(self._places, node, what)
        elif what in TEXT_KEYS and not is_plain:
            hint = as_text(self._places, node, what)
        self._wrong(node, f"{what} must be text", hint)
        return None

    def scalar(self, node: Node, what: str) -> bool:
        """Whether it is a number, a boolean or text without variables; else a fault."""
        if node.value is None or isinstance(node.value, list | dict):
            self._wrong(node, f"{what} must be text, a number, true or false")
            return False
        if isinstance(node.value, str) and "${" in node.value:
            mark = self.mark_of(node, "${")
            self.faults.add(mark, f"{what} is taken literally: no ${{…}} here")
            return False
        return not isinstance(node.value, Broken)

    def flag(self, node: Node | None, what: str) -> bool:
        """True or false, false if it is left out; anything else is a fault."""
        if node is None:
            return False
        if not isinstance(node.value, bool):
            self._wrong(node, f"{what} must be true or false")
        return node.value is True

    def _wrong(self, node: Node, message: str, hint: str = "") -> None:
        # A BROKEN node already has a fault of its own.
        if not isinstance(node.value, Broken):
            self.faults.add(node.mark, f"{message}, not {kind_of(node)}", hint)

    def unknown_keys(
        self,
        entries: Mapping[str, Node],
        known: Collection[str],
        hints: Mapping[str, str],
        inputs: Collection[str] = (),
    ) -> frozenset[str]:
        """Report unknown keys.

        Args:
            entries: The mapping's entries.
            known: The keys it may have.
            hints: For keys that people write by mistake.
            inputs: The model's inputs, which belong under params.

        Returns:
            The known keys that were probably meant.
        """
        meant: set[str] = set()
        before: tuple[str, Node] | None = None
        for key, node in entries.items():
            previous, before = before, (key, node)
            if key in known:
                continue
            hint = hints.get(key) or suggestion(key, sorted(known))
            if node.value is None and (
                better := _split_hint(key, node, previous, known)
            ):
                self.faults.add(node.key_mark, *better)
                meant.update(name for name in known if key.startswith(name))
                continue
            if not hint.startswith("did you"):
                of_input = suggestion(key, list(inputs))
                if key in inputs:
                    hint = "model inputs go under params"
                elif of_input.startswith("did you"):
                    hint = f"{of_input} model inputs go under params"
            self.faults.add(node.key_mark, f"unknown key '{key[:80]}'", hint)
            meant.update(name for name in known if f"mean '{name}'" in hint)
        return frozenset(meant)

    def variables(self, node: Node | None, what: str) -> dict[str, Node]:
        """Named scalars: ``vars``, or one entry of ``include`` or ``exclude``."""
        entries = self.entries(node, what)
        found: dict[str, Node] = {}
        for name, value in entries.items():
            if not VARIABLE_NAME.fullmatch(name):
                hint = "use letters, digits, '_' and '-'"
                self.faults.add(
                    value.key_mark, f"'{name[:80]}' is not a variable name", hint
                )
            elif self.scalar(value, f"'{name}'"):
                found[name] = value
        return found

    def template(self, node: Node, names: Collection[str]) -> str | Template | None:
        """A text with its variables checked, or None and a fault."""
        assert isinstance(node.value, str)
        try:
            template = parse_template(node.value, node)
        except BadTemplate as exc:
            mark = self.mark_of(node, exc.needle)
            self.faults.add(mark, exc.message, exc.hint)
            return None
        is_known = True
        for variable in template.variables if isinstance(template, Template) else ():
            name = variable.name
            if name not in names:
                mark = self.mark_of(node, variable.written)
                hint = suggestion(name, sorted(names))
                if not hint.startswith("did you"):
                    # Names may come from the cells of a file, so they are not listed.
                    hint = "define it under vars, matrix or rows"
                self.faults.add(mark, f"unknown variable '{name[:80]}'", hint)
                is_known = False
        return template if is_known else None

    def value(self, node: Node, names: Collection[str]) -> Compiled | Broken:
        """Any value with its variables checked, or Broken and a fault."""
        value = node.value
        if isinstance(value, str):
            template = self.template(node, names)
            return Broken() if template is None else template
        if isinstance(value, list):
            return _list_of([self.value(element, names) for element in value])
        if isinstance(value, dict):
            return _dict_of({k: self.value(entry, names) for k, entry in value.items()})
        return value


def _split_hint(
    key: str, node: Node, previous: tuple[str, Node] | None, known: Collection[str]
) -> tuple[str, str] | None:
    """Message and hint for a key without a value that was not meant as a key."""
    found = _KEY_AND_VALUE.match(key)
    if found and found[1] in known:
        text = "a key ends with ': ', a colon and a space"
        return text, write(f"{found[1]}: {found[2]}")
    if previous is None or not isinstance(previous[1].value, str):
        return None
    name, value = previous
    if unpack_mark(value.mark)[0] != unpack_mark(node.key_mark)[0]:
        return None
    whole = in_quotes(f"{value.value}, {key}")
    return "inside { } a comma ends the text before it", write(f"{name}: {whole}")


def _list_of(elements: list[Compiled | Broken]) -> Compiled | Broken:
    whole = [e for e in elements if not isinstance(e, Broken)]
    if len(whole) < len(elements):
        return Broken()
    if any(map(is_dynamic, whole)):
        return ListTemplate(tuple(whole))
    return [_plain(element) for element in whole]


def _dict_of(entries: dict[str, Compiled | Broken]) -> Compiled | Broken:
    whole = {k: v for k, v in entries.items() if not isinstance(v, Broken)}
    if len(whole) < len(entries):
        return Broken()
    if any(map(is_dynamic, whole.values())):
        return DictTemplate(tuple(whole.items()))
    return {key: _plain(entry) for key, entry in whole.items()}


def _plain(compiled: Compiled) -> JsonValue:
    assert not isinstance(compiled, Template | ListTemplate | DictTemplate)
    return compiled
