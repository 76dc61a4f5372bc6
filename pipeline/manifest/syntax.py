"""The YAML parser's errors → faults in our own words, and the lines mended.

The parser says where it gave up, in its own words, which are never shown. The mistake
is looked for in the lines there; a mend counts if reading comes further with it.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from pipeline.manifest.faults import Faults
from pipeline.manifest.mend import Line, Mend, split_line
from pipeline.manifest.mend_layout import (
    mend_belonging,
    mend_blanks,
    mend_bracket,
    mend_indent,
    mend_key,
)
from pipeline.manifest.mend_values import mend_escape, mend_flow, mend_value
from pipeline.manifest.node import pack_mark

# Reads a text and returns its first error, a ``yaml.MarkedYAMLError``, or None.
FindError = Callable[[str], Any]

_LINE_END = re.compile(r"\r\n|\r|\n")
# More mistakes than this in one file are one mistake repeated.
_MAX_MENDS = 20
# Reading on behind a mistake is not worth the time in a longer text.
_MAX_MENDED_CHARS = 1024 * 1024
_LINES_ABOVE = 400  # in which the keys that a line may belong to are looked for
_SIGN = re.compile(r"""^[ \t{]*['"]?(?:version|items)['"]?[ \t]*[:=]""", re.MULTILINE)
_FENCE = re.compile(r"(```|~~~)")


def report_syntax(exc: Any, text: str, faults: Faults, find_error: FindError) -> None:
    """Report a ``yaml.MarkedYAMLError``, and those that are found behind it.

    Args:
        exc: The error.
        text: The manifest.
        faults: Collects the faults: where they are, and what to write instead.
        find_error: Reads a text and finds its first error.
    """
    lines = _LINE_END.split(text)
    if not looks_like_manifest(text):
        # Its lines are not shown: it may hold secrets.
        mark = pack_mark(_line_of(exc.problem_mark or exc.context_mark, lines) + 1, 1)
        hint = "is it a manifest? One begins with `version: 1`"
        faults.add(mark, "YAML cannot read this line", hint)
        return
    for _ in range(_MAX_MENDS):
        mend = _report_one(exc, lines, faults, find_error)
        if mend is None or len(text) > _MAX_MENDED_CHARS:
            return
        for number, new in mend.lines.items():
            lines[number - 1] = new
        exc = find_error("\n".join(lines))
        if exc is None:
            return


def _report_one(
    exc: Any, lines: list[str], faults: Faults, find_error: FindError
) -> Mend | None:
    """Report one error; the mend with which reading goes on, if there is one."""
    problem = exc.problem_mark or exc.context_mark
    opened = exc.context_mark or problem
    at = (_line_of(problem, lines), problem.column if problem else 0)
    begun = (_line_of(opened, lines), opened.column if opened else 0)
    context = str(exc.context or "")
    is_token = "scan" in context or "scalar" in context
    for mend in _mends(lines, at, begun, is_token=is_token):
        helps = bool(mend.lines) and _helps(mend, lines, at, find_error)
        if helps or mend.is_sure or not mend.lines:
            faults.add(pack_mark(mend.line, mend.column), mend.message, mend.hint)
            return mend if helps else None
    # For what is never closed, the place where it was opened says more.
    place = begun if is_token or "flow" in context else at
    message, hint = "YAML cannot read this line", "check its quotes and its indentation"
    if "flow" in context:
        message = "the list or mapping that begins here is not closed"
        hint = "check its commas, quotes and brackets"
    faults.add(pack_mark(place[0] + 1, place[1] + 1), message, hint)
    return None


def _line_of(mark: Any, lines: list[str]) -> int:
    """The line of a mark, from 0; the parser may count one behind the last."""
    return min(mark.line, len(lines) - 1) if mark else 0


def looks_like_manifest(text: str) -> bool:
    """Whether a text has a key by which a manifest is known."""
    return _SIGN.search(text) is not None


def _helps(
    mend: Mend, lines: list[str], at: tuple[int, int], find_error: FindError
) -> bool:
    """Whether reading comes further than to where it failed."""
    tried = lines[: at[0] + 1]
    for number, new in mend.lines.items():
        if number <= len(tried):
            tried[number - 1] = new
    found = find_error("\n".join(tried) + "\n")
    if found is None:
        return True
    mark = found.problem_mark or found.context_mark
    if at[0] + 1 in mend.lines:
        return bool(mark and mark.line > at[0])
    return bool(mark and (mark.line, mark.column) > at)


def _mends(
    lines: list[str], at: tuple[int, int], begun: tuple[int, int], *, is_token: bool
) -> Iterator[Mend]:
    """What may be wrong, the most telling first."""
    last = min(at[0], len(lines) - 1)
    while last > 0 and not lines[last].strip():
        last -= 1
    failed = split_line(last + 1, lines[last])
    first = split_line(begun[0] + 1, lines[begun[0]]) if is_token else failed
    above = list(islice(_above(lines, first.number), _LINES_ABOVE))
    if mend := _mend_document(lines, last):
        yield mend
    near = [first, failed, *above[:1]]
    for line in near:
        yield from mend_blanks(line)
    for line in near:
        yield from mend_key(line)
    yield from mend_escape(first, begun[1])
    if above and " " in failed.key and failed.indent > above[0].key_column:
        # A text that goes on here, and has a colon in it.
        yield from mend_value(above[0], list(_below(lines, above[0])))
    if is_token and first.text[begun[1] : begun[1] + 1] in ("'", '"'):
        yield from mend_flow(first, begun[1])
    for line in (first, failed):
        yield from mend_value(line, list(_below(lines, line)))
        yield from mend_value(line, ())
    if not is_token or begun[1] != failed.value_column:
        yield from mend_flow(failed, at[1])
    opening = split_line(begun[0] + 1, lines[begun[0]])
    if opening.value_column == begun[1]:
        yield from mend_value(opening, ())
    yield from mend_bracket(opening, begun[1])
    for line in near[:2]:
        yield from chain(mend_belonging(line, above), mend_indent(line, above))
    for line in above[:1]:
        yield from mend_value(line, list(_below(lines, line)))


def _above(lines: list[str], number: int) -> Iterator[Line]:
    for before in range(number - 1, 0, -1):
        text = lines[before - 1]
        if text.strip() and not text.lstrip().startswith("#"):
            yield split_line(before, text)


def _below(lines: list[str], line: Line) -> Iterator[Line]:
    """The lines that go on with a text: indented more than its key, and no keys."""
    for number in range(line.number + 1, len(lines) + 1):
        other = split_line(number, lines[number - 1])
        if not other.text.strip() or other.indent <= line.key_column:
            return
        yield other


def _mend_document(lines: list[str], last: int) -> Mend | None:
    text = lines[last]
    before = next((n for n in range(last) if lines[n].startswith("%")), None)
    if text.startswith("%") or before is not None:
        number = last if before is None else before
        return Mend(
            line=number + 1,
            column=1,
            message="a line that begins with '%' is for the YAML parser alone",
            hint="remove it",
        )
    if last and any(one.startswith("...") for one in lines[:last]):
        number = next(n for n in range(last) if lines[n].startswith("..."))
        return Mend(
            line=number + 1,
            column=1,
            message="'...' ends the manifest, but more text follows it",
            hint="remove this line; a manifest is a single document",
        )
    if _FENCE.match(text):
        return Mend(
            line=last + 1,
            column=1,
            message=f"'{text[:3]}' is Markdown, not YAML",
            hint="remove this line",
        )
    return None
