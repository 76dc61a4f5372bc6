"""The YAML parser's errors → faults in our own words, and the lines fixed.

The parser says where it gave up, in its own words, which are never shown. The mistake
is looked for in the lines there; a fix counts if reading comes further with it.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from pipeline.manifest.faults import Faults
from pipeline.manifest.fix import Fix, Line, split_line
from pipeline.manifest.layout_fixes import (
    fix_belonging,
    fix_blanks,
    fix_bracket,
    fix_indent,
    fix_key,
)
from pipeline.manifest.node import pack_mark
from pipeline.manifest.value_fixes import fix_escape, fix_flow, fix_value

# Reads a text and returns its first error, a ``yaml.MarkedYAMLError``, or None.
FindError = Callable[[str], Any]

_LINE_END = re.compile(r"\r\n|\r|\n")
MAX_KEY_CHARS = 1024  # also the parser's own
# More mistakes than this in one file are one mistake repeated.
_MAX_FIXES = 20
# Reading on behind a mistake is not worth the time in a longer text.
_MAX_FIXED_CHARS = 1024 * 1024
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
    for _ in range(_MAX_FIXES):
        fix = _report_one(exc, lines, faults, find_error)
        if fix is None or len(text) > _MAX_FIXED_CHARS:
            return
        for number, new in fix.lines.items():
            lines[number - 1] = new
        exc = find_error("\n".join(lines))
        if exc is None:
            return


def _report_one(
    exc: Any, lines: list[str], faults: Faults, find_error: FindError
) -> Fix | None:
    """Report one error; the fix with which reading goes on, if there is one."""
    problem = exc.problem_mark or exc.context_mark
    opened = exc.context_mark or problem
    at = (_line_of(problem, lines), problem.column if problem else 0)
    begun = (_line_of(opened, lines), opened.column if opened else 0)
    context = str(exc.context or "")
    is_token = "scan" in context or "scalar" in context
    for fix in _fixes(lines, at, begun, is_token=is_token):
        helps = bool(fix.lines) and _helps(fix, lines, at, find_error)
        if helps or fix.is_sure or not fix.lines:
            faults.add(pack_mark(fix.line, fix.column), fix.message, fix.hint)
            return fix if helps else None
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
    fix: Fix, lines: list[str], at: tuple[int, int], find_error: FindError
) -> bool:
    """Whether reading comes further than to where it failed."""
    tried = lines[: at[0] + 1]
    for number, new in fix.lines.items():
        if number <= len(tried):
            tried[number - 1] = new
    found = find_error("\n".join(tried) + "\n")
    if found is None:
        return True
    mark = found.problem_mark or found.context_mark
    if at[0] + 1 in fix.lines:
        return bool(mark and mark.line > at[0])
    return bool(mark and (mark.line, mark.column) > at)


def _fixes(
    lines: list[str], at: tuple[int, int], begun: tuple[int, int], *, is_token: bool
) -> Iterator[Fix]:
    """What may be wrong, the most telling first."""
    last = min(at[0], len(lines) - 1)
    while last > 0 and not lines[last].strip():
        last -= 1
    failed = split_line(last + 1, lines[last])
    opening = split_line(begun[0] + 1, lines[begun[0]])
    first = opening if is_token else failed
    above = list(islice(_above(lines, first.number), _LINES_ABOVE))
    if fix := _fix_document(lines, last):
        yield fix
    near = [first, failed, *above[:1]]
    yield from chain.from_iterable(map(_fix_long_key, near))
    yield from chain.from_iterable(map(fix_blanks, near))
    yield from chain.from_iterable(map(fix_key, near))
    yield from fix_escape(first, begun[1])
    if above and " " in failed.key and failed.indent > above[0].key_column:
        # A text that goes on here, and has a colon in it.
        yield from fix_value(above[0], list(_below(lines, above[0])))
    if is_token and first.text[begun[1] : begun[1] + 1] in ("'", '"'):
        yield from fix_flow(first, begun[1])
    for line in (first, failed):
        yield from fix_value(line, list(_below(lines, line)))
        yield from fix_value(line, ())
    if not is_token or begun[1] != failed.value_column:
        yield from fix_flow(failed, at[1])
    if opening.value_column == begun[1]:
        yield from fix_value(opening, ())
    yield from fix_bracket(opening, begun[1])
    for line in near[:2]:
        yield from chain(fix_belonging(line, above), fix_indent(line, above))
    for line in above[:1]:
        yield from fix_value(line, list(_below(lines, line)))


def _fix_long_key(line: Line) -> Iterator[Fix]:
    if len(line.key) > MAX_KEY_CHARS:
        column = line.key_column + 1
        yield Fix(line=line.number, column=column, message="a key is too long", hint="")


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


def _fix_document(lines: list[str], last: int) -> Fix | None:
    text = lines[last]
    before = next((n for n in range(last) if lines[n].startswith("%")), None)
    if text.startswith("%") or before is not None:
        number = last if before is None else before
        return Fix(
            line=number + 1,
            column=1,
            message="a line that begins with '%' is for the YAML parser alone",
            hint="remove it",
        )
    if last and any(one.startswith("...") for one in lines[:last]):
        number = next(n for n in range(last) if lines[n].startswith("..."))
        return Fix(
            line=number + 1,
            column=1,
            message="'...' ends the manifest, but more text follows it",
            hint="remove this line; a manifest is a single document",
        )
    if _FENCE.match(text):
        return Fix(
            line=last + 1,
            column=1,
            message=f"'{text[:3]}' is Markdown, not YAML",
            hint="remove this line",
        )
    return None
