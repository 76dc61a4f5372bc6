"""Values → texts for people that JSON can hold. Pure."""

import json
from typing import Any

from pipeline.job import ItemOutput, ReferenceAsset

_SAFE_INTEGER = 2**53  # above, a script cannot hold it


def shown(value: Any) -> Any:
    """An input in a form for people, that JSON can hold."""
    match value:
        case ReferenceAsset():
            return plain_text(value.name)
        case ItemOutput():
            return value.written
        case list():
            return [shown(one) for one in value]
        case dict():
            return {name: shown(one) for name, one in value.items()}
        case int() if abs(value) > _SAFE_INTEGER:
            return str(value)
    return value


def value_text(value: Any) -> str:
    """A value of a variable as a text."""
    return value if isinstance(value, str) else json.dumps(value)


def plain_text(text: str) -> str:
    """A text without bytes that are not UTF-8, which paths may contain."""
    return text.encode("utf-8", "backslashreplace").decode()
