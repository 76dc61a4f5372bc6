"""A value that needs quotes, or other ones → the line mended. Pure."""

import re
from collections.abc import Iterator, Sequence

from pipeline.manifest.keys import TEXT_KEYS
from pipeline.manifest.mend import ANY_KEY, CLOSING, KNOWN_KEY, Line, Mend, replaced
from pipeline.manifest.quoting import quoted, write

_COMMENT = re.compile(r"[ \t]+#(?:[ \t].*)?$")
# Apostrophes at the beginning of a word, which close nothing: 'tis, '80s.
_ELISION = re.compile(
    r"'(?:[0-9]+s?|tis|twas|til|em|neath|round|cause|cos)\b", re.IGNORECASE
)
_SMART_PAIRS = {"“": "”", "‘": "’", "„": "“”", "‚": "‘’", "”": "”", "’": "’"}
SMART_QUOTES = frozenset(_SMART_PAIRS)
_STARTS = {
    "*": "it takes the first word for the name of an alias",
    "&": "it takes the first word for the name of an anchor",
    "!": "it takes the first word for a tag",
    "?": "it takes the '?' for a sign of its own",
    "-": "it takes the '-' for an entry of a list",
}


def smart_inner(text: str) -> str:
    """What stands between the typographic quotes around a text; "" if there are none."""
    closing = _SMART_PAIRS.get(text[:1], "")
    if len(text) > 2 and closing and text[-1] in closing:  # noqa: PLR2004 - two quotes
        return text[1:-1]
    return ""


def mend_value(line: Line, below: Sequence[Line]) -> Iterator[Mend]:
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
        mended = start + quoted(inner) + comment
        if not line.key and KNOWN_KEY.match(inner):
            mended = start + inner + comment
        yield Mend(
            line=line.number,
            column=line.value_column + 1,
            message=message,
            hint=write(mended) + note,
            lines={line.number: mended, **cut},
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
        block = re.match(r"[>|][ \t]+(?=\S)", value)
        if block is not None:
            inner = (" " if first == ">" else "\n").join(
                [value[block.end() :], *texts[1:]]
            )
            yield (
                f"after '{first}', the text has to begin on the next line",
                inner,
                f" (if the '{first}' belongs to the text: {quoted(whole)})",
            )
        yield f"a text that begins with '{first}' needs quotes", whole, ""
    elif first in "'\"":
        yield from _explain_quote(value, whole)
    elif first in "[{":
        closing = CLOSING[first]
        kind = {"[": "a list", "{": "a mapping"}[first]
        inside = enclosed(value)
        more = value[len(inside) :].strip() if inside else ""
        if not key and more.startswith(","):
            return
        if more:
            yield (
                f"YAML takes '{first}…{closing}' for {kind}, but more text follows it",
                whole,
                "",
            )
        elif key in TEXT_KEYS:
            yield f"a text that begins with '{first}' needs quotes", whole, ""
    elif inner := smart_inner(whole):
        text = "typographic quotes are no quotes to YAML"
        yield f"{text}: use \" or '", inner, ""
    elif first in _STARTS:
        text = f"a text that begins with '{first}' needs quotes"
        yield f"{text}, because YAML takes {_STARTS[first][9:]}", whole, ""
    elif first in "@`%]},":
        yield f"a text cannot begin with '{first}' unless it is in quotes", whole, ""
    elif re.search(r":[ \t]", whole):
        yield "a text with ': ' in it needs quotes", whole, ""
    elif whole.endswith(":"):
        yield "a text that ends with ':' needs quotes", whole, ""


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


def mend_escape(line: Line, column: int) -> Iterator[Mend]:
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
    mended = line.text[:column] + plain + line.text[column + found.end() :]
    at = column + found[0].index("\\")
    message = "in double quotes a backslash begins an escape sequence, and this is none"
    yield replaced(line, at, message, mended)


def mend_flow(line: Line, column: int) -> Iterator[Mend]:
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
    if start >= len(text):
        return
    first = text[start]
    for found in re.finditer(r"[\]},]|$", text[start + 1 :]):
        end = start + 1 + found.start()
        value = text[start:end].rstrip()
        named = re.search(r"\$\{", value)
        if (named and value.count("{") > value.count("}")) or _is_unbalanced(value):
            continue
        message = "this text needs quotes inside [ ] and { }"
        if named:
            message = "inside [ ] and { } a ${name} needs quotes"
        elif first in _STARTS or first in "@`%|>":
            message = f"a text that begins with '{first}' needs quotes"
        elif ": " in value:
            message = "a text with ': ' in it needs quotes"
        inners = [value]
        if first in "'\"":
            found_quotes = list(_explain_quote(value, value))
            inners = [inner for _, inner, _ in found_quotes]
            message = found_quotes[0][0] if found_quotes else message
        for inner in inners:
            mended = f"{text[:start]}{quoted(inner)}{text[end:]}"
            yield replaced(line, start, message, mended)


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
