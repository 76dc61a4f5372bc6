"""Values that are no texts → the lines on which they would be texts. Pure."""

import re

from pipeline.manifest.node import Node, unpack_mark
from pipeline.manifest.quoting import quoted, write
from pipeline.manifest.text import Places
from pipeline.manifest.value_fixes import enclosed

_COMMENT = re.compile(r"[ \t]+#.*")


def as_text(places: Places, node: Node, key: str) -> str:
    """The hint for a list or mapping that may have been meant as text, or "".

    Args:
        places: The manifest's text.
        node: The value.
        key: Its key.
    """
    line, column = unpack_mark(node.mark)
    if not isinstance(node.value, list | dict) or _last_line(node) > line:
        return ""
    source = places.line(line)[column - 1 :]
    if source[:1] in ("[", "{"):
        source = enclosed(source)
    elif source.startswith("- "):
        return ""
    source = _COMMENT.sub("", source).rstrip()
    return f"if it is text, {write(f'{key}: {quoted(source)}')}" if source else ""


def after_key(places: Places, node: Node, key: str) -> str:
    """The hint for a text that is missing after its key."""
    line, column = unpack_mark(node.key_mark)
    source = places.line(line)[column - 1 :]
    rest = source[source.find(":") + 1 :].strip()
    if rest[:1] == "#":
        text = "a text that begins with '#' needs quotes"
        return f"{text}; {write(f'{key}: {quoted(rest)}')}"
    if rest in {"null", "Null", "NULL", "~"}:
        return f"if it is text, {write(f'{key}: {quoted(rest)}')}"
    return f"write the text after '{key}:'"


def _last_line(node: Node) -> int:
    inner: list[Node] = []
    if isinstance(node.value, list):
        inner = node.value
    elif isinstance(node.value, dict):
        inner = list(node.value.values())
    return max([unpack_mark(node.mark)[0], *map(_last_line, inner)])
