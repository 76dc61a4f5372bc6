"""Text results: what a job's own record says, as a file."""

import pytest

from pipeline.assets.text_result import JSON, TEXT, render_result


@pytest.mark.parametrize(
    ("output", "content", "media_type"),
    [
        ("an oak", "an oak", TEXT),
        ({"text": " an oak\n"}, " an oak\n", TEXT),
        ({"b": 1, "a": "ö"}, '{\n  "a": "ö",\n  "b": 1\n}\n', JSON),
        ({"tags": ["oak"]}, '{\n  "tags": [\n    "oak"\n  ]\n}\n', JSON),
        (["oak"], '[\n  "oak"\n]\n', JSON),
        (7.5, "7.5\n", JSON),
    ],
)
def test_a_result_is_a_text_or_json(output, content, media_type):
    assert render_result(output) == (content.encode(), media_type)


def test_half_a_character_is_no_reason_to_lose_the_rest():
    assert render_result("a\ud800b") == (b"a\\ud800b", TEXT)
