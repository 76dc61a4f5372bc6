"""A text → the same as YAML has to be given it, and lines as messages show them. Pure.

A quoted text in a message can be copied into the manifest as it is.
"""

import re

# Characters that double quotes can hold as they are.
_PLAIN_IN_DOUBLE = re.compile(r"[^\"\\\r\n\t]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MAX_LINE_CHARS = 400  # of a line in a message


def quoted(text: str) -> str:
    """The text in the quotes that need the fewest escapes."""
    if _PLAIN_IN_DOUBLE.fullmatch(text):
        return f'"{text}"'
    if not any(c in text for c in "\r\n\t"):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_ESCAPES.get(c, c) for c in text) + '"'


def write(line: str) -> str:
    """The hint that shows a line as it would be right."""
    return f"write: {shortened(line.strip())}"


def shortened(line: str) -> str:
    """The line, without its middle if it is long."""
    if len(line) <= _MAX_LINE_CHARS:
        return line
    half = _MAX_LINE_CHARS // 2
    return f"{line[:half]} … {line[-half:]}"
