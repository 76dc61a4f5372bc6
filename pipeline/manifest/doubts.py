"""YAML that can be read, but as something else than what was meant → faults.

``&hearts of oak`` is an anchor and the text ``of oak``; a quote that is not closed
takes in the lines below it; a nonbreaking space before a key is a part of the key. The
wrong text would be paid for, so each of these is refused.
"""

import re
from typing import Any

from pipeline.manifest.faults import Faults
from pipeline.manifest.fix import ODD_SPACES, split_line
from pipeline.manifest.keys import TEXT_KEYS
from pipeline.manifest.layout_fixes import fix_blanks
from pipeline.manifest.node import pack_mark
from pipeline.manifest.quoting import quoted, write
from pipeline.manifest.syntax import looks_like_manifest
from pipeline.manifest.text import Places
from pipeline.manifest.value_fixes import smart_inner, without_open_quote

_ODD_SPACE = re.compile(f"[{ODD_SPACES}]")
# A line that was meant as an entry of a list, or as a key and its value.
_STRUCTURE = re.compile(r"[ ]*(?:- |[A-Za-z_][\w-]*:(?:\s|$))")


class Doubts:
    """Looks at values as they are read.

    Args:
        text: The manifest.
        faults: Collects what is wrong.
    """

    def __init__(self, text: str, faults: Faults) -> None:
        self._text = text
        self._faults = faults
        self._places = Places(text)
        # The lines of other files are not shown: they may hold secrets.
        self._is_manifest = looks_like_manifest(text)
        # anchor → its text, which nothing has referred to yet
        self._unused: dict[str, Any] = {}

    def is_key_odd(self, key: str, mark: int) -> bool:
        """Whether a key has a blank in it that is no space; if so, a fault."""
        if not self._is_manifest or _ODD_SPACE.search(key) is None:
            return False
        line = split_line(mark >> 32, self._places.line(mark >> 32))
        for fix in fix_blanks(line):
            column = pack_mark(fix.line, fix.column)
            self._faults.add(column, fix.message, fix.hint)
            return True
        shown = _ODD_SPACE.sub(" ", key).strip()
        text = "the key has a blank in it that is no ordinary space"
        self._faults.add(mark, text, f"write '{shown}'")
        return True

    def is_quote_open(self, event: Any, mark: int) -> bool:
        """Whether a quoted text takes in lines that were not meant; if so, a fault."""
        start, end = event.start_mark, event.end_mark
        if end.line == start.line or event.style not in ("'", '"'):
            return False
        if not self._is_manifest:
            return False
        opened = self._places.line(start.line + 1)
        own = split_line(start.line + 1, opened)
        limit = own.key_column if own.value_column == start.column else own.indent
        for number in range(start.line + 2, end.line + 2):
            text = self._places.line(number)
            if len(text) - len(text.lstrip()) > limit or not _STRUCTURE.match(text):
                continue
            inner = without_open_quote(opened[start.column :].rstrip())
            fixed = f"{opened[: start.column]}{quoted(inner)}"
            message = f"the quote {event.style} that opens here is not closed"
            self._faults.add(mark, f"{message} before line {number}", write(fixed))
            return True
        return False

    def is_in_smart_quotes(self, event: Any, mark: int) -> bool:
        """Whether a text stands in typographic quotes alone; if so, a fault."""
        inner = smart_inner(event.value) if self._is_manifest else ""
        if inner:
            text = "typographic quotes are no quotes to YAML, but a part of the text"
            fixed = self._with_quotes(event, inner)
            keep = f"(to keep them: {quoted(event.value)})"
            self._faults.add(mark, text, f"{write(fixed)} {keep}")
        return bool(inner)

    def tag_hint(self, event: Any) -> str:
        """The hint for a tag that may have been meant as text."""
        is_text = hasattr(event, "value") and not str(event.tag).startswith("tag:")
        if not is_text or not self._is_manifest:
            return "remove it; quote a value to make it text"
        fixed = self._with_quotes(event, self._source_of(event))
        return f"if it belongs to the text, {write(fixed)}"

    def alias_hint(self, event: Any, key: str) -> str:
        """The hint for an unknown alias that may have been meant as text."""
        if not self._is_manifest:
            return ""
        start = event.start_mark
        line = split_line(start.line + 1, self._places.line(start.line + 1))
        fixed = self._with_quotes(event, self._source_of(event))
        goes_on = len(line.text.rstrip()) > event.end_mark.column
        if line.value_column == start.column and goes_on:
            fixed = f"{line.text[: start.column]}{quoted(line.value)}"
        elif key not in TEXT_KEYS:
            return ""
        return f"if it is text, {write(fixed)}"

    def note_anchor(self, event: Any) -> None:
        """Remember the anchor of a text without quotes."""
        self._check_anchor(event.anchor)
        if self._is_manifest:
            self._unused[event.anchor] = event

    def forget_anchor(self, name: str) -> None:
        """An alias refers to an anchor."""
        self._unused.pop(name, None)

    def check_anchors(self) -> None:
        """Report the anchors to which nothing refers: they may belong to the text."""
        for name in list(self._unused):
            self._check_anchor(name)

    def _check_anchor(self, name: str) -> None:
        event = self._unused.pop(name, None)
        if event is None:
            return
        mark = pack_mark(event.start_mark.line + 1, event.start_mark.column + 1)
        text = f"nothing refers to the anchor '&{name}'"
        fixed = self._with_quotes(event, self._source_of(event))
        hint = f"remove it; or, if it belongs to the text, {write(fixed)}"
        self._faults.add(mark, text, hint)

    def _source_of(self, event: Any) -> str:
        source = self._text[event.start_mark.index : event.end_mark.index]
        return " ".join(source.split())

    def _with_quotes(self, event: Any, inner: str) -> str:
        """The line with a value in quotes."""
        start, end = event.start_mark, event.end_mark
        head = self._places.line(start.line + 1)[: start.column]
        tail = self._places.line(end.line + 1)[end.column :]
        return f"{head}{quoted(inner)}{tail}"
