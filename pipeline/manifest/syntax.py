"""The YAML parser's errors → faults in our own words."""

from collections.abc import Mapping
from typing import Any

from pipeline.manifest.faults import Faults
from pipeline.manifest.node import pack_mark

# The parser's message → our message and hint.
_SYNTAX: Mapping[str, tuple[str, str]] = {
    "found character that cannot start any token": (
        "a value cannot start with this character",
        "put the value in quotes",
    ),
    "mapping values are not allowed in this context": (
        "a ':' is not allowed here",
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
        "an unknown escape sequence",
        "use single quotes, where a backslash is an ordinary character",
    ),
    "found unexpected end of stream": ("the quote is never closed", ""),
}


def report_syntax(exc: Any, text: str, faults: Faults) -> None:
    """Report a ``yaml.MarkedYAMLError``: where it is, and what to do."""
    place = exc.problem_mark or exc.context_mark
    problem = exc.problem or "it cannot be read"
    message, hint = _SYNTAX.get(problem, (f"the YAML is not valid: {problem}", ""))
    # For an unclosed quote or bracket, the place where it was opened says more.
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
        message, hint = "a tab where YAML requires spaces", "indent with spaces"
    elif (
        opened is not None
        and any("${" in shown for shown in lines)
        and "flow" in (exc.context or "")
    ):
        hint = 'inside [ ] and { } a ${name} needs quotes: "${name}"'
    faults.add(pack_mark(line, column), message, hint)
