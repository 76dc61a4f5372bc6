"""A value that needs quotes, or other ones → the line fixed. Pure."""

import re
from collections.abc import Iterator, Sequence

from pipeline.manifest.fix import ANY_KEY, CLOSING, KNOWN_KEY, Fix, Line, replaced
from pipeline.manifest.keys import TEXT_KEYS
from pipeline.manifest.quoting import quoted, write

_COMMENT = re.compile(r"[ \t]+#(?:[ \t].*)?$")
# Apostrophes at the beginning of a word, which close nothing: 'tis, '80s.
_ELISION = re.compile(
    r"'(?:[0-9]+s?|tis|twas|til|em|neath|round|cause|cos)\b", re.IGNORECASE
)
# Typographic quotes: each that opens, and those that close it, in some language.
_SMART_PAIRS = {
    "\u201c": "\u201d",
    "\u201d": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u2018": "\u2019",
    "\u2019": "\u2019",
    "\u201a": "\u2018\u2019",
}
SMART_QUOTES = frozenset(_SMART_PAIRS)
_STARTS = {
    "*": "the first word for the name of an alias",
    "&": "the first word for the name of an anchor",
    "!": "the first word for a tag",
    "?": "the '?' for a sign of its own",
    "-": "the '-' for an entry of a list",
}


def smart_inner(text: str) -> str:
    """What stands between the typographic quotes around a text, or ""."""
    closing = _SMART_PAIRS.get(text[:1], "")
    if len(text) > 2 and closing and text[-1] in closing:  # noqa: PLR2004 - two quotes
        return text[1:-1]
    return ""


def fix_value(line: Line, below: Sequence[Line]) -> Iterator[Fix]:
    """A text that needs quotes.

    Args:
        line: The line on which it begins.
        below: The lines after it that are indented as if they belonged to it.
    """
    value, comment = line.value, ""
    if not value:
        return
    if found := _COMMENT.search(value):
        value, comment = value[: found.start()], value[found.start() :]
    texts = [value, *(one.text.strip() for one in below)] if not comment else [value]
    whole = " ".join(text for text in texts if text)
    cut = {one.number: "" for one in below} if not comment else {}
    start = line.text[: line.value_column]
    for message, inner, note in _explain(line.key, value, whole, texts):
        fixed = start + quoted(inner) + comment
        if not line.key and KNOWN_KEY.match(inner) and "\n" not in inner:
            fixed = start + inner + comment
        yield Fix(
            line=line.number,
            column=line.value_column + 1,
            message=message,
            hint=write(fixed) + note,
            lines={line.number: fixed, **cut},
            is_sure=_is_open_quote(value) and not below,
        )


def _is_open_quote(value: str) -> bool:
    return value[0] in "'\"" and _closing(value) is None


def _explain(
    key: str, value: str, whole: str, texts: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Messages, the texts that were meant, and what to add to the hint."""
    first = value[0]
    if first in ">|":
        yield from _explain_block(value, whole, texts)
    elif first in "'\"":
        yield from _explain_quote(value, whole)
    elif first in CLOSING:
        yield from _explain_bracket(key, value, whole)
    elif inner := smart_inner(whole):
        text = "typographic quotes are no quotes to YAML"
        yield f"{text}: use \" or '", inner, ""
    elif first in _STARTS:
        text = f"a text that begins with '{first}' needs quotes"
        yield f"{text}, because YAML takes {_STARTS[first]}", whole, ""
    elif first in "@`%]},":
        yield f"a text cannot begin with '{first}' unless it is in quotes", whole, ""
    elif re.search(r":[ \t]", whole):
        yield "a text with ': ' in it needs quotes", whole, ""
    elif whole.endswith(":"):
        yield "a text that ends with ':' needs quotes", whole, ""


def _explain_block(
    value: str, whole: str, texts: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    first = value[0]
    block = re.match(r"[>|][ \t]+(?=\S)", value)
    if block is not None:
        inner = (" " if first == ">" else "\n").join([value[block.end() :], *texts[1:]])
        yield (
            f"after '{first}', the text has to begin on the next line",
            inner,
            f" (if the '{first}' belongs to the text: {quoted(whole)})",
        )
    yield f"a text that begins with '{first}' needs quotes", whole, ""


def _explain_bracket(
    key: str, value: str, whole: str
) -> Iterator[tuple[str, str, str]]:
    first, closing = value[0], CLOSING[value[0]]
    inside = enclosed(value)
    more = value[len(inside) :].strip() if inside else ""
    if not key and more.startswith(","):
        return
    if more:
        kind = "a list" if first == "[" else "a mapping"
        message = f"YAML takes '{first}…{closing}' for {kind}, but more text follows it"
        yield message, whole, ""
    elif key in TEXT_KEYS:
        yield f"a text that begins with '{first}' needs quotes", whole, ""


def _explain_quote(value: str, whole: str) -> Iterator[tuple[str, str, str]]:
    mark = value[0]
    if whole.startswith(mark * 3) and whole.endswith(mark * 3) and len(whole) > 6:  # noqa: PLR2004 - two triples
        yield f"one {mark} is a quote here, not three", whole[3:-3], ""
        return
    closing = _closing(whole)
    if closing is None:
        message = f"the quote {mark} that opens here is never closed"
        yield message, without_open_quote(value), ""
        return
    after = whole[closing + 1 :].strip()
    if not after:
        return
    message = f"the quoted text ends at the second {mark}, but more text follows it"
    nested = whole.count(mark) % 2 or re.match(rf"{mark}\w", whole[closing:])
    opens = re.match(r"\s", whole[closing - 1 : closing])
    if whole.endswith(mark) and (nested or opens) and not _ELISION.match(whole):
        yield message, whole[1:-1], ""
    yield message, whole, ""


def without_open_quote(value: str) -> str:
    """The text that begins with a quote, without the quote unless it belongs to it."""
    return value if _ELISION.match(value) else value[1:]


def _closing(text: str) -> int | None:
    """Where the quote that begins the text is closed."""
    if text[0] == "'":
        found = re.match(r"'(?:[^']|'')*'(?!')", text)
    else:
        found = re.match(r'"(?:[^"\\]|\\.)*"', text)
    return found.end() - 1 if found else None


def fix_escape(line: Line, column: int) -> Iterator[Fix]:
    """A backslash in double quotes that begins no escape sequence.

    Args:
        line: The line.
        column: Where the quoted text begins, from 0.
    """
    found = re.match(r'"((?:[^"\\]|\\.)*)"', line.text[column:])
    if found is None or "\\" not in found[1]:
        return
    text = found[1].replace('\\"', '"')
    plain = "'" + text.replace("'", "''") + "'"
    fixed = line.text[:column] + plain + line.text[column + found.end() :]
    at = column + found[0].index("\\")
    message = "in double quotes a backslash begins an escape sequence, and this is none"
    yield replaced(line, at, message, fixed)


def fix_flow(line: Line, column: int) -> Iterator[Fix]:
    """A text inside ``[ ]`` or ``{ }`` that needs quotes.

    Args:
        line: The line.
        column: Where reading it failed, from 0.
    """
    text = line.text
    head = text[:column]
    begin = max(head.rfind(c) for c in "[{,") + 1
    if begin and head.endswith("${") and begin == len(head):
        head = head[:-2]
        begin = max(head.rfind(c) for c in "[{,") + 1
    if not begin:
        return
    key = re.match(r"[ \t]*(?:[\w.-]+|'[^']*'|\"[^\"]*\")[ \t]*:[ \t]+", text[begin:])
    start = begin + (key.end() if key else 0)
    start += len(text[start:]) - len(text[start:].lstrip())
    glued = re.search(rf"[ \t](?:{ANY_KEY})$", text[start:column].rstrip(": "))
    if key and glued and text[column : column + 1] == ":":
        at = start + glued.start()
        message = "there is no comma between two entries"
        yield replaced(line, at, message, f"{text[:at]},{text[at:]}")
    if (
        re.match(r"['\"][^'\"]*['\"]\s*:", text[column:])
        and head.rstrip()[-1:] not in ",:"
    ):
        at = len(head.rstrip())
        message = "there is no comma between two entries"
        yield replaced(line, at, message, f"{text[:at]}, {text[column:]}")
    yield from _quote_inside(line, start)


def _quote_inside(line: Line, start: int) -> Iterator[Fix]:
    """Quotes around what begins at ``start``, up to one of the signs behind it."""
    text = line.text
    for found in re.finditer(r"[\]},]|$", text[start + 1 :]):
        end = start + 1 + found.start()
        value = text[start:end].rstrip()
        is_cut = "${" in value and value.count("{") > value.count("}")
        if not value or is_cut or _is_unbalanced(value):
            continue
        for message, inner in _explain_inside(value):
            fixed = f"{text[:start]}{quoted(inner)}{text[end:]}"
            yield replaced(line, start, message, fixed)


def _explain_inside(value: str) -> Iterator[tuple[str, str]]:
    first = value[0]
    message = "this text needs quotes inside [ ] and { }"
    if "${" in value:
        message = "inside [ ] and { } a ${name} needs quotes"
    elif first in _STARTS or first in "@`%|>":
        message = f"a text that begins with '{first}' needs quotes"
    elif ": " in value:
        message = "a text with ': ' in it needs quotes"
    if first not in "'\"":
        yield message, value
        return
    for explained, inner, _ in _explain_quote(value, value):
        yield explained, inner


def _is_unbalanced(value: str) -> bool:
    return value.count("}") > value.count("{") or value.count("]") > value.count("[")


def enclosed(text: str) -> str:
    """From the bracket at the beginning to the one that closes it; "" if none does."""
    opened: list[str] = []
    for at, char in enumerate(text):
        if char in CLOSING:
            opened.append(CLOSING[char])
        elif opened and char == opened[-1]:
            opened.pop()
            if not opened:
                return text[: at + 1]
    return ""
