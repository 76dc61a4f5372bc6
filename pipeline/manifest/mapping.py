"""A manifest as a Python mapping → YAML text, and the key that each line belongs to.

The text is read like that of a file, so a mapping means what the same YAML means. Each
value has a line of its own, which is how a fault finds its key.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.errors import Fault, ManifestError
from pipeline.manifest.source import MAX_DEPTH

# Line ends and invisible characters to YAML, but not to JSON.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def render_mapping(mapping: Mapping[str, Any], file: str) -> tuple[bytes, list[str]]:
    """The manifest as YAML, and for each of its lines the key: ``items[0].prompt``.

    Args:
        mapping: Of strings, numbers, booleans, None, paths, and of mappings and
            sequences of these.
        file: Names the manifest in faults.

    Raises:
        ManifestError: A value is of another type.
    """
    lines: list[str] = []
    keys: list[str] = []
    for line, key in _render(mapping, "", "", "", file=file):
        lines.append(line)
        keys.append(key)
    return "\n".join([*lines, ""]).encode(), keys


def _render(
    value: object, key: str, before: str, after: str, *, file: str, depth: int = 0
) -> Iterator[tuple[str, str]]:
    """The lines of a value, and the key of each.

    Args:
        value: The value.
        key: Its key; "" for the manifest itself.
        before: The text before it on its first line.
        after: The text after it: a comma or nothing.
        file: Names the manifest in faults.
        depth: How deep it lies.
    """
    if depth > MAX_DEPTH:
        raise _fault(file, key, f"nested deeper than {MAX_DEPTH} levels")
    indent = " " * depth
    inside: list[tuple[str, str, object]] = []
    if isinstance(value, Mapping):
        signs = "{}"
        for name, inner in value.items():
            if not isinstance(name, str):
                raise _fault(file, key, f"the key {name!r} is not a text")
            inside.append((_join(key, name), f"{_text(name)}: ", inner))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        signs = "[]"
        inside = [(f"{key}[{index}]", "", one) for index, one in enumerate(value)]
    else:
        yield indent + before + _scalar(value, key, file) + after, key
        return
    if not inside:
        yield indent + before + signs + after, key
        return
    yield indent + before + signs[0], key
    for number, (its_key, text, inner) in enumerate(inside, start=1):
        comma = "," if number < len(inside) else ""
        yield from _render(inner, its_key, text, comma, file=file, depth=depth + 1)
    yield indent + signs[1] + after, key


def _scalar(value: object, key: str, file: str) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float | Decimal):
        if math.isfinite(value):
            return str(value)
        raise _fault(file, key, f"{value} is not a number that can be sent")
    kind = type(value).__name__
    raise _fault(
        file, key, f"a manifest holds no {kind}", "give a text, a number or a path"
    )


def _text(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", quoted)


def _join(key: str, name: str) -> str:
    if not _PLAIN_KEY.fullmatch(name):
        return f"{key}[{name!r}]"
    return f"{key}.{name}" if key else name


def _fault(file: str, key: str, message: str, hint: str = "") -> ManifestError:
    return ManifestError(
        [Fault(file=file, line=1, column=1, message=message, hint=hint, key=key)]
    )
