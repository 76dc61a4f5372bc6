"""Axes written as mappings: each value names the variables that come with it."""

import pytest

from pipeline.errors import ManifestError

SIZES = """\
items:
  - id: oak-${size}
    prompt: an oak, ${words}
    params: {size: "${px}"}
    matrix:
      size:
        small: {px: 1024*1024, words: seen from afar}
        large: {px: 2048*2048, words: every leaf}
"""


def faults_of(expand_text, text):
    with pytest.raises(ManifestError) as caught:
        expand_text(text)
    return [
        (fault.line, fault.column, fault.message, fault.hint)
        for fault in caught.value.faults
    ]


def test_each_value_of_an_axis_brings_its_variables(expand_text):
    found = [(one.item_id, dict(one.params)) for one in expand_text(SIZES)]

    assert found == [
        ("oak-small", {"prompt": "an oak, seen from afar", "size": "1024*1024"}),
        ("oak-large", {"prompt": "an oak, every leaf", "size": "2048*2048"}),
    ]


def test_exclude_and_include_name_the_value(expand_text):
    more = """\
      time: [dawn, dusk]
      exclude: [{size: large, time: dusk}]
      include: [{size: small, time: dusk, words: in fog}]
"""
    text = SIZES.replace("-${size}", "-${size}-${time}") + more

    found = {one.item_id: one.params["prompt"] for one in expand_text(text)}

    assert found == {
        "oak-small-dawn": "an oak, seen from afar",
        "oak-small-dusk": "an oak, in fog",
        "oak-large-dawn": "an oak, every leaf",
    }


def test_a_key_of_digits_is_named_without_quotes(expand_text):
    text = SIZES.replace("small:", "512:") + "      exclude: [{size: 512}]\n"

    assert [one.item_id for one in expand_text(text)] == ["oak-large"]


def test_a_value_may_bring_nothing(expand_text):
    text = """\
items:
  - id: oak-${size}
    prompt: an oak, ${words}
    vars: {words: plain}
    matrix:
      size:
        small:
        large: {words: every leaf}
"""
    found = [one.params["prompt"] for one in expand_text(text)]

    assert found == ["an oak, plain", "an oak, every leaf"]


def test_a_variable_that_one_value_lacks_is_a_fault_where_it_is_used(expand_text):
    text = SIZES.replace(", words: every leaf", "")

    assert faults_of(expand_text, text) == [
        (5, 13, "'${words}' has no value here", "give it a default under vars")
    ]


def test_a_fault_in_a_value_is_reported_at_its_own_place(expand_text):
    text = SIZES.replace("2048*2048", "huge")

    (fault,) = faults_of(expand_text, text)

    assert fault[:2] == (10, 21)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (
            "      size:\n        small: 1024*1024\n",
            (
                "'small' of axis 'size' must be a mapping of variables",
                "give it a name, as in: small: {px: 1024*1024}",
            ),
        ),
        (
            "      size:\n        small: [1, 2]\n",
            ("'small' of axis 'size' must be a mapping (key: value), not a list", ""),
        ),
        ("      size: {}\n", ("axis 'size' has no values", "")),
        (
            "      size:\n        small: {px: [1]}\n",
            ("'px' must be text, a number, true or false, not a list", ""),
        ),
        (
            "      size:\n        small: {b a: 1}\n",
            ("'b a' is not a variable name", "use letters, digits, '_' and '-'"),
        ),
        (
            "      size:\n        small: {size: 1}\n",
            ("'size' is an axis itself", "rename one of them"),
        ),
        (
            "      size:\n        small: {px: 1}\n      time:\n        dawn: {px: 2}\n",
            ("axis 'size' already brings a 'px'", "rename one of them"),
        ),
        (
            "      size:\n        ${px}: {px: 1}\n",
            ("'${px}' of axis 'size' is taken literally: no ${…} here", ""),
        ),
        (
            "      size:\n        small: {px: 1}\n      exclude: [{size: smol}]\n",
            ("exclude: axis 'size' has no value 'smol'", "did you mean 'small'?"),
        ),
    ],
)
def test_a_fault_in_a_mapped_axis(expand_text, axis, expected):
    text = f"items:\n  - id: oak\n    prompt: an oak\n    matrix:\n{axis}"

    assert [fault[2:] for fault in faults_of(expand_text, text)] == [expected]
