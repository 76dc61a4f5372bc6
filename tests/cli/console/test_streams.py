"""Standard streams: what is written is clean, and otherwise the same."""

import io
import json
import sys

import pytest

from pipeline.cli.console.streams import clean_output
from pipeline.redaction import SECRET_MARK, SECRETS

SECRET = 'sK"3\\f<9&a%1 zQ~m'


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_is_written_is_clean_and_otherwise_the_same(monkeypatch, name):
    SECRETS.learn(SECRET)
    for stream in ("stdout", "stderr", "__stdout__", "__stderr__"):
        fake = io.TextIOWrapper(io.BytesIO(), encoding="ascii", line_buffering=True)
        monkeypatch.setattr(sys, stream, fake)
    clean_output()

    stream = getattr(sys, name)
    print("an oak", SECRET, "→", file=stream)
    print(json.dumps({"a": SECRET}), file=stream, end="")
    stream.flush()

    said = stream.buffer.getvalue().decode()
    assert said == f'an oak {SECRET_MARK} \\u2192\n{{"a": "{SECRET_MARK}"}}'
    assert getattr(sys, f"__{name}__") is stream
