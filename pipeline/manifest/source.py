"""YAML text → Nodes: values that remember their line and column.

Built from the C parser's events, so each value remembers its position and costs only
one small object. Duplicate keys, tags, merge keys, multiple documents and alias bombs
are rejected. scalar.py interprets scalars, schema.py interprets keys.
"""

import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any

import yaml

from pipeline.manifest.comments import Comment, find_comment
from pipeline.manifest.doubts import Doubts
from pipeline.manifest.faults import Faults
from pipeline.manifest.node import BROKEN, Node, pack_mark, unpack_mark
from pipeline.manifest.scalar import plain_scalar
from pipeline.manifest.syntax import MAX_KEY_CHARS, report_syntax
from pipeline.manifest.text import check_characters, check_secrets, decode_utf8
from pipeline.manifest.value_fixes import SMART_QUOTES

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 50
MAX_SCALAR_CHARS = 1024 * 1024
# How many nodes aliases may add to those written out. An alias bomb asks for billions.
MAX_ALIASED_NODES = 1_000_000

_COMMENT = re.compile(r"[ \t]#|^#", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_source(
    data: bytes, faults: Faults, comments: dict[int, Comment] | None = None
) -> tuple[Node | None, str]:
    """Turn the bytes of a manifest into its root node.

    Args:
        data: UTF-8, with or without a byte order mark, any line ends.
        faults: Collects everything that is wrong; parsing continues where possible.
        comments: Collects the comments after texts without quotes, by the text's mark.

    Returns:
        The root node, or None if there is none (a fault says why), and the text.
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
    if not check_secrets(text, faults):
        return None, ""
    # Most manifests have none, and need no look behind each text.
    has_any = comments is not None and _COMMENT.search(text) is not None
    builder = _Builder(text, faults, comments if has_any else None)
    with _collector_paused():
        try:
            return builder.build(), text
        except yaml.MarkedYAMLError as exc:
            report_syntax(exc, text, faults, _find_error)
    return None, text


def _find_error(text: str) -> yaml.MarkedYAMLError | None:
    """The first error of syntax, or None."""
    loader = _LOADER(text)
    try:
        while type(loader.get_event()) is not yaml.StreamEndEvent:
            pass
    except yaml.MarkedYAMLError as exc:
        return exc
    finally:
        loader.dispose()
    return None


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    # Nodes are not garbage, but the collector would spend two thirds of the time
    # looking for some.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Stop(Exception):
    """Parsing cannot continue; the fault is already reported."""


class _Builder:
    """One pass over the parse events with an explicit stack."""

    def __init__(
        self, text: str, faults: Faults, comments: dict[int, Comment] | None
    ) -> None:
        self._text = text
        self._faults = faults
        self._comments = comments
        self._doubts = Doubts(text, faults)
        # anchor → its node, and how many nodes it has with aliases expanded
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open_anchors: set[str] = set()
        # Lists and mappings whose tag is reported; they become BROKEN when they end.
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
                if self._comments is not None and event.implicit[0]:
                    self._note_comment(event, mark, keys[-1] if keys else None)
                if event.anchor is not None:
                    self._anchors[event.anchor] = (node, 1)
                    if event.implicit[0] and type(node.value) is str:
                        self._doubts.note_anchor(event)
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
        self._doubts.check_anchors()
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
            hint = "put ${…} in quotes" if self._is_dollar_before(mark) else ""
            self._stop(event, "a key must be plain text", hint)
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
            key = keys[-1] if keys else None
            hint = self._doubts.alias_hint(event, key[0] if key else "")
            self._stop(event, f"there is no anchor '&{name}' before '*{name}'", hint)
        self._doubts.forget_anchor(name)
        node, size = self._anchors[name]
        self._aliased += size
        self._count += size
        if self._aliased > MAX_ALIASED_NODES:
            text = f"aliases expand to more than {MAX_ALIASED_NODES:,} values"
            self._stop(event, text, "use `matrix` or `rows` for many items")
        return node

    def _key(self, event: Any, mark: int, taken: object) -> tuple[str, int]:
        key: str = event.value
        if not key.isascii() and self._doubts.is_key_odd(key, mark):
            raise _Stop
        if event.anchor is not None:
            self._stop(event, "a key cannot have an anchor", _ANCHOR)
        self._check_tag(event, mark)
        if key == "<<" and event.implicit[0]:
            hint = "write the values out, or put them in the top-level `params`"
            self._faults.add(mark, "merge keys (<<) are not supported", hint)
            return _SKIPPED, mark
        if not key or len(key) > MAX_KEY_CHARS:
            text = "a key is empty" if not key else "a key is too long"
            self._faults.add(mark, text)
            return _SKIPPED, mark
        assert isinstance(taken, dict)
        if key in taken:
            line = unpack_mark(taken[key].key_mark)[0]
            text = f"the key '{key}' is already used at line {line}"
            hint = "keep one of the two"
            if key == "id":
                hint += ", or begin a new item with '- '"
            self._faults.add(mark, text, hint)
            return _SKIPPED, mark
        return key, mark

    def _scalar(self, event: Any, mark: int) -> Node:
        text: str = event.value
        if len(text) > MAX_SCALAR_CHARS:
            limit = f"{MAX_SCALAR_CHARS:,}"
            self._faults.add(mark, f"the text is longer than {limit} characters")
            return Node(BROKEN, mark)
        if not self._check_tag(event, mark):
            return Node(BROKEN, mark)
        # implicit[0]: plain, without quotes.
        if not event.implicit[0]:
            if self._doubts.is_quote_open(event, mark):
                raise _Stop
            return Node(text, mark)
        if text[:1] in SMART_QUOTES and self._doubts.is_in_smart_quotes(event, mark):
            return Node(BROKEN, mark)
        return plain_scalar(text, mark, self._faults)

    def _note_comment(self, event: Any, mark: int, key: tuple[str, int] | None) -> None:
        assert self._comments is not None
        end = event.end_mark
        key_column = MAX_SCALAR_CHARS if key is None else unpack_mark(key[1])[1]
        comment = find_comment(
            self._text, end.index, end.line + 1, end.column + 1, key_column
        )
        if comment is not None:
            self._comments[mark] = comment

    def _check_tag(self, event: Any, mark: int) -> bool:
        if event.tag is None:
            return True
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        hint = self._doubts.tag_hint(event)
        self._faults.add(mark, f"YAML tags are not allowed: {tag[:80]}", hint)
        if self._faults.is_full:
            raise _Stop
        return False

    def _is_dollar_before(self, mark: int) -> bool:
        line, column = unpack_mark(mark)
        lines = self._text.splitlines()
        return column > 1 and lines[line - 1][column - 2 : column - 1] == "$"

    def _stop(self, event: Any, message: str, hint: str) -> None:
        self._faults.add(_mark_of(event), message, hint)
        raise _Stop


_SKIPPED = "\0"
_ONE_DOCUMENT = (
    "a manifest is a single document: remove this line, or move the rest to another "
    "file"
)
_ANCHOR = "put it on a line of its own, before the keys"
_START = "start with `version: 1`"


def _twin(node: Node) -> Node:
    # An alias under another key shares the value but has its own key position.
    return Node(node.value, node.mark, node.text)


def _mark_of(event: Any) -> int:
    return pack_mark(event.start_mark.line + 1, event.start_mark.column + 1)
