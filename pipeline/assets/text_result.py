"""The result in a job's own record → a text file. Pure.

Models that describe or transcribe make no asset: their result is ``metadata.output``.
"""

import json

from pipeline.job import JsonValue

TEXT, JSON = "text/plain", "application/json"


def text_of(output: JsonValue) -> str | None:
    """The text that a result is, or that is all it holds; None for anything else."""
    if isinstance(output, dict) and len(output) == 1:
        (output,) = output.values()
    return output if isinstance(output, str) else None


def render_result(output: JsonValue) -> tuple[bytes, str]:
    """The content of the file, and its media type.

    A text, or an object that holds one text and nothing else, becomes plain text as it
    is; anything else becomes JSON with sorted keys, so that a job read twice gives the
    same bytes.
    """
    if (plain := text_of(output)) is not None:
        return _encoded(plain), TEXT
    text = json.dumps(output, indent=2, sort_keys=True, ensure_ascii=False)
    return _encoded(f"{text}\n"), JSON


def _encoded(text: str) -> bytes:
    """UTF-8; half a character, which has no place in it, as an escape."""
    return text.encode("utf-8", "backslashreplace")
