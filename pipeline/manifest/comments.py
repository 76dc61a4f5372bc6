"""Texts without quotes that end at a comment → warnings: was it meant as a comment?

In YAML, `` #`` ends a text that is not in quotes: of ``prompt: a sword #2`` only ``a
sword`` is sent. Each such prompt is worth a warning. Elsewhere a remark is more likely:
there, ``#`` has to be followed by something other than a blank.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from pipeline.counting import plural
from pipeline.manifest.node import Node

MAX_WARNINGS = 5  # of one manifest: more would be one habit repeated
_SHOWN_CHARS = 200
_PROMPT = "prompt"
_AFTER = re.compile(r"[ \t]+(#[^\r\n]*)|(?:\r\n|\r|\n)([ \t]*)(#[^\r\n]*)")


class Comment(NamedTuple):
    """A comment right after a text without quotes.

    Attributes:
        line: Where its ``#`` is, from 1.
        column: Likewise.
        text: From the ``#`` to the end of the line.
        is_below: Whether it is on the line after the text, indented as if it went on.
    """

    line: int
    column: int
    text: str
    is_below: bool

    @property
    def looks_like_text(self) -> bool:
        """Whether something other than a blank follows its ``#``."""
        return len(self.text) > 1 and not self.text[1].isspace()


def find_comment(
    text: str, offset: int, line: int, column: int, key_column: int
) -> Comment | None:
    """The comment after a text without quotes, or None.

    Args:
        text: The whole manifest.
        offset: Where in it the text ends.
        line: The same, from 1.
        column: Likewise.
        key_column: The column of the text's key; a large number if it has none.
    """
    match = _AFTER.match(text, offset)
    if match is None:
        return None
    if match[1] is not None:
        at = column + match.start(1) - offset
        return Comment(line, at, match[1].rstrip(), is_below=False)
    at = len(match[2]) + 1
    below = Comment(line + 1, at, match[3].rstrip(), is_below=True)
    return below if at > key_column and below.looks_like_text else None


def warn_of_comments(
    root: Node, comments: Mapping[int, Comment], file: str
) -> tuple[str, ...]:
    """A sentence for each text that may have been meant to go on; at most a handful.

    Args:
        root: The manifest.
        comments: By the mark of the text before each.
        file: The manifest's path as the user gave it.
    """
    if not comments:
        return ()
    found: dict[int, str] = {}
    for name, node in _texts(root):
        comment = comments.get(node.mark)
        if comment is None or not isinstance(node.value, str) or not node.value:
            continue
        if (name == _PROMPT and not comment.is_below) or comment.looks_like_text:
            found[node.mark] = _warning(name, node.value, comment, file)
    warnings = tuple(islice(found.values(), MAX_WARNINGS))
    more = len(found) - len(warnings)
    if more:
        warnings += (
            f"{file}: {plural(more, 'more text ends', 'more texts end')} at a comment",
        )
    return warnings


def _warning(name: str, text: str, comment: Comment, file: str) -> str:
    whole = _quoted(f"{text} {comment.text}")
    said, mended = f"'{name}' is only {_quoted(text)}", whole
    if name == _PROMPT:
        said = f"only {_quoted(text)} is sent as the prompt"
        mended = f"prompt: {whole}"
    return (
        f"{file}:{comment.line}:{comment.column}: a comment begins here, so {said}; if"
        f" it belongs to the text, write {mended}"
    )


def _quoted(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    return json.dumps(shown, ensure_ascii=False)


def _texts(root: Node) -> Iterator[tuple[str, Node]]:
    """Every text that may become a part of what is sent, with the name of its key."""
    for name, node in _entries(root):
        if name in {"params", "vars"}:
            yield from _values(name, node)
        elif name == "items" and isinstance(node.value, list):
            for item in node.value:
                for key, value in _entries(item):
                    if key in {"id", _PROMPT, "params", "vars", "matrix"}:
                        yield from _values(key, value)


def _values(name: str, node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        for key, value in node.value.items():
            yield from _values(key, value)
    elif isinstance(node.value, list):
        for element in node.value:
            yield from _values(name, element)
    else:
        yield name, node


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.value.items()
