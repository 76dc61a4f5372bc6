"""YAML text → Nodes: values that remember their line and column.

Built from the C parser's events, so that every value keeps its place at the
cost of one small object. Scalars follow the core rules of YAML 1.2, stricter
where 1.1 and 1.2 differ in a way that costs money: ``no``, ``yes``, ``on`` and
``off`` are text, ``1e3`` is a number, and ``012`` is refused (10 in YAML 1.1,
12 in 1.2). Refused as well: duplicate keys, tags, merge keys, several
documents, alias bombs. What the keys mean is schema.py's business.
"""

import contextlib
import gc
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline.manifest.faults import Faults
from pipeline.manifest.text import check_characters, decode_utf8, find_in_text

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 50
MAX_SCALAR_CHARS = 1024 * 1024
# What aliases may add on top of what is written; an alias bomb asks for billions.
MAX_ALIASED_NODES = 1_000_000
_MAX_INTEGER = 2**63 - 1

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OCTAL_LOOKING = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Broken:
    """The value of a node whose fault is already reported."""


BROKEN = Broken()

Scalar = None | bool | int | float | str
NodeValue = Scalar | Broken | list["Node"] | dict[str, "Node"]


class Node:
    """A value and its place.

    Attributes:
        value: A scalar, a list of Nodes, a dict of Nodes, or BROKEN.
        mark: Line and column packed by ``pack_mark``.
        key_mark: The same of its key, where it stands in a mapping, else ``mark``.
        text: A number as it is written, so that 1.50 stays 1.50 in an id; or "".
    """

    # A slotted plain class: a manifest has hundreds of thousands of them.
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


def parse_source(data: bytes, faults: Faults) -> tuple[Node | None, str]:
    """Turn the bytes of a manifest into its root node.

    Args:
        data: UTF-8, with or without a byte order mark, any line ends.
        faults: Takes everything that is wrong; parsing goes on where it can.

    Returns:
        The root, or None when there is none to speak of (a fault says why), and the
        text, in which ``find_mark`` finds columns.
    """
    if len(data) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 1024 // 1024
        faults.add(
            pack_mark(1, 1),
            f"the manifest is larger than {limit} MiB",
            "put the values into a CSV or JSON Lines file and use `rows`",
        )
        return None, ""
    text = decode_utf8(data, faults)
    if text is None or not check_characters(text, faults):
        return None, ""
    builder = _Builder(text, faults)
    with _collector_paused():
        try:
            return builder.build(), text
        except yaml.MarkedYAMLError as exc:
            _report_syntax(exc, text, faults)
        except yaml.YAMLError as exc:
            reason = str(getattr(exc, "reason", "") or "it cannot be read")
            faults.add(pack_mark(1, 1), f"the YAML is not valid: {reason}")
    return None, text


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    # The nodes hold no garbage, yet without this two thirds of the time is spent
    # looking for some.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Stop(Exception):
    """Nothing more can be read; the fault is reported."""


class _Builder:
    """One pass over the parse events with an explicit stack."""

    def __init__(self, text: str, faults: Faults) -> None:
        self._text = text
        self._faults = faults
        # anchor → its node, and how many nodes it stands for when written out
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open_anchors: set[str] = set()
        # Lists and mappings whose tag is reported; broken as soon as they end.
        self._tagged: list[Node] = []
        self._aliased = 0
        self._count = 0

    def build(self) -> Node | None:
        loader = _LOADER(self._text)
        try:
            return self._read(loader)
        except _Stop:
            return None
        finally:
            loader.dispose()

    def _read(self, loader: Any) -> Node | None:  # noqa: C901, PLR0912, PLR0915 - one loop over the event kinds
        root: Node | None = None
        documents = 0
        # (node, anchor, nodes seen before it); the key a mapping waits to fill
        stack: list[tuple[Node, str, int]] = []
        keys: list[tuple[str, int] | None] = []
        while True:
            event = loader.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                start = event.start_mark
                mark = start.line + 1 << 32 | start.column + 1
                self._count += 1
                if stack and keys[-1] is None and type(stack[-1][0].value) is dict:
                    keys[-1] = self._key(event, mark, stack[-1][0].value)
                    continue
                node = self._scalar(event, mark)
                if event.anchor is not None:
                    self._anchors[event.anchor] = (node, 1)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                node = self._start(event, stack, keys)
                is_mapping = kind is yaml.MappingStartEvent
                node.value = {} if is_mapping else []
                stack.append((node, event.anchor or "", self._count))
                keys.append(None)
                self._count += 1
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                node, anchor, before = stack.pop()
                if self._tagged and node in self._tagged:
                    node.value = BROKEN
                keys.pop()
                if anchor:
                    self._anchors[anchor] = (node, self._count - before)
                    self._open_anchors.discard(anchor)
            elif kind is yaml.AliasEvent:
                node = self._alias(event, stack, keys)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._stop(event, "a second document starts here", _ONE_DOCUMENT)
                continue
            elif kind is yaml.StreamEndEvent:
                break
            else:
                continue
            if not stack:
                root = node
                continue
            parent = stack[-1][0].value
            if type(parent) is list:
                parent.append(node)
            elif type(parent) is dict:
                key = keys[-1]
                keys[-1] = None
                if key is not None and key[0] is not _SKIPPED:
                    if node.key_mark != key[1] and kind is yaml.AliasEvent:
                        node = _twin(node)
                    node.key_mark = key[1]
                    parent[key[0]] = node
        if documents == 0:
            self._faults.add(pack_mark(1, 1), "the manifest is empty", _START)
        return root

    def _start(
        self,
        event: Any,
        stack: list[tuple[Node, str, int]],
        keys: list[tuple[str, int] | None],
    ) -> Node:
        mark = _mark_of(event)
        if stack and keys[-1] is None and type(stack[-1][0].value) is dict:
            hint = "put ${…} into quotes" if self._is_dollar_before(mark) else ""
            self._stop(event, "a key has to be plain text", hint)
        if len(stack) >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels", "")
        node = Node(None, mark)
        if not self._check_tag(event, mark):
            self._tagged.append(node)
        if event.anchor is not None:
            self._open_anchors.add(event.anchor)
            self._anchors.pop(event.anchor, None)
        return node

    def _alias(
        self,
        event: Any,
        stack: list[tuple[Node, str, int]],
        keys: list[tuple[str, int] | None],
    ) -> Node:
        name = event.anchor
        if stack and keys[-1] is None and type(stack[-1][0].value) is dict:
            self._stop(event, "an alias cannot be a key", "")
        if name in self._open_anchors:
            self._stop(event, f"the alias '*{name}' contains itself", "")
        if name not in self._anchors:
            self._stop(event, f"the alias '*{name}' has no anchor '&{name}' before", "")
        node, size = self._anchors[name]
        self._aliased += size
        self._count += size
        if self._aliased > MAX_ALIASED_NODES:
            text = f"aliases expand to more than {MAX_ALIASED_NODES:,} values"
            self._stop(event, text, "use `matrix` or `rows` for many items")
        return node

    def _key(self, event: Any, mark: int, taken: object) -> tuple[str, int]:
        key: str = event.value
        if event.anchor is not None:
            self._stop(event, "an anchor cannot stand at a key", _ANCHOR)
        self._check_tag(event, mark)
        if key == "<<" and event.implicit[0]:
            hint = "write the values out, or put them into the top-level `params`"
            self._faults.add(mark, "merge keys (<<) are not supported", hint)
            return _SKIPPED, mark
        if not key or len(key) > _MAX_KEY_CHARS:
            text = "a key is empty" if not key else "a key is too long"
            self._faults.add(mark, text)
            return _SKIPPED, mark
        assert isinstance(taken, dict)
        if key in taken:
            line = unpack_mark(taken[key].key_mark)[0]
            text = f"the key '{key}' is already used at line {line}"
            self._faults.add(mark, text, "keep one of the two")
            return _SKIPPED, mark
        return key, mark

    def _scalar(self, event: Any, mark: int) -> Node:
        text: str = event.value
        if len(text) > MAX_SCALAR_CHARS:
            limit = f"{MAX_SCALAR_CHARS:,}"
            self._faults.add(mark, f"a text is longer than {limit} characters")
            return Node(BROKEN, mark)
        if not self._check_tag(event, mark):
            return Node(BROKEN, mark)
        # implicit[0]: plain, without quotes.
        if not event.implicit[0]:
            return Node(text, mark)
        if text in _NULLS:
            return Node(None, mark)
        if text[0] in _NUMBER_START:
            return self._number(text, mark)
        return Node(_BOOLEANS.get(text, text), mark)

    def _number(self, text: str, mark: int) -> Node:
        if _OCTAL_LOOKING.fullmatch(text):
            plain = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", text)
            hint = f'write {plain} for the number or "{text}" for the text'
            self._faults.add(mark, f"{text} may mean two things", hint)
            return Node(BROKEN, mark)
        if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
            digits = text if len(text) < _MAX_DIGITS else "9" * _MAX_DIGITS
            value = int(digits, 0)
            if abs(value) <= _MAX_INTEGER:
                return Node(value, mark, text)
        elif _FLOAT.fullmatch(text):
            number = float(text)
            if abs(number) != float("inf"):
                return Node(number, mark, text)
        elif not _NOT_FINITE.fullmatch(text):
            return Node(text, mark)
        shown = text if len(text) < _MAX_DIGITS else text[:_MAX_DIGITS] + "…"
        hint = "put it in quotes if it is text"
        self._faults.add(mark, f"{shown} is no number that can be sent", hint)
        return Node(BROKEN, mark)

    def _check_tag(self, event: Any, mark: int) -> bool:
        if event.tag is None:
            return True
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        hint = "remove it; quote a value to make it text"
        self._faults.add(mark, f"YAML tags are refused: {tag[:80]}", hint)
        if self._faults.is_full:
            raise _Stop
        return False

    def _is_dollar_before(self, mark: int) -> bool:
        line, column = unpack_mark(mark)
        lines = self._text.split("\n", line)
        return column > 1 and lines[line - 1][column - 2 : column - 1] == "$"

    def _stop(self, event: Any, message: str, hint: str) -> None:
        self._faults.add(_mark_of(event), message, hint)
        raise _Stop


_SKIPPED = "\0"
_MAX_KEY_CHARS = 1024
_MAX_DIGITS = 40
_ONE_DOCUMENT = "a manifest is one document; move the rest into its own file"
_ANCHOR = "put it on a line of its own, before the keys"
_START = "start with `version: 1`"


def _twin(node: Node) -> Node:
    # An alias under a key of its own: the value is shared, the key's place is not.
    return Node(node.value, node.mark, node.text)


def _mark_of(event: Any) -> int:
    return pack_mark(event.start_mark.line + 1, event.start_mark.column + 1)


# The parser's words → ours.
_SYNTAX: Mapping[str, tuple[str, str]] = {
    "found character that cannot start any token": (
        "a value cannot start with this character",
        "put the value in quotes",
    ),
    "mapping values are not allowed in this context": (
        "a ':' cannot stand here",
        "put the value in quotes, or check the indentation",
    ),
    "could not find expected ':'": ("a key without ':'", "write `key: value`"),
    "did not find expected key": ("a key was expected here", "check the indentation"),
    "did not find expected '-' indicator": (
        "a list entry ('- ') was expected here",
        "check the indentation",
    ),
    "did not find expected ',' or ']'": (
        "the list has no ']'",
        "close it, or put commas between its values",
    ),
    "did not find expected ',' or '}'": (
        "the mapping has no '}'",
        "close it, or put commas between its entries",
    ),
    "found unknown escape character": (
        "an unknown escape after a backslash",
        "use single quotes, in which a backslash is just that",
    ),
    "found unexpected end of stream": ("the quote is never closed", ""),
}


def _report_syntax(exc: yaml.MarkedYAMLError, text: str, faults: Faults) -> None:
    place = exc.problem_mark or exc.context_mark
    problem = exc.problem or "it cannot be read"
    message, hint = _SYNTAX.get(problem, (f"the YAML is not valid: {problem}", ""))
    # A quote or bracket that is never closed: where it was opened says more.
    opened = exc.context_mark
    if opened is not None and (
        "quoted scalar" in (exc.context or "")
        or problem.startswith("did not find expected ',")
    ):
        place = opened
    line, column = (place.line + 1, place.column + 1) if place else (1, 1)
    end = exc.problem_mark.line + 1 if exc.problem_mark else line
    lines = text.splitlines()[line - 1 : end]
    if "\t" in "".join(lines[:1])[:column]:
        message, hint = "a tab where YAML wants spaces", "indent with spaces"
    elif (
        opened is not None
        and any("${" in shown for shown in lines)
        and "flow" in (exc.context or "")
    ):
        hint = 'inside [ ] and { } a ${name} needs quotes: "${name}"'
    faults.add(pack_mark(line, column), message, hint)


def find_mark(text: str, node: Node, needle: str) -> int:
    """The mark of ``needle`` in the scalar that starts at ``node``, or the node's."""
    line, column = unpack_mark(node.mark)
    place = find_in_text(text, line, column, needle, MAX_SCALAR_CHARS)
    return pack_mark(*place) if place else node.mark
