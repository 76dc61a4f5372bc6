"""Comments after texts without quotes: a warning with the place and the mended line."""

import pytest

from pipeline.manifest.comments import MAX_WARNINGS


def warnings_of(write_manifest, text):
    return [
        warning.partition("icons.yaml:")[2]
        for warning in write_manifest(text).warnings
        if "a comment begins here" in warning
    ]


AXIS = "items:\n  - id: a-${v}\n    prompt: a\n    matrix:\n      v:\n"
PROMPT = "items:\n  - id: a\n    prompt: "


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "place", "sent", "mended"),
    [
        (PROMPT + "a sword #2 of gold\n", "5:21", "a sword", "a sword #2 of gold"),
        (PROMPT + "a sword # fine\n", "5:21", "a sword", "a sword # fine"),
        (PROMPT + "a séa 🌊 \t#2\n", "5:22", "a séa 🌊", "a séa 🌊 #2"),
        (PROMPT + 'a sea #2 "x"\n', "5:19", "a sea", 'a sea #2 \\"x\\"'),
        (PROMPT + "a sea\n      at #2\n", "6:10", "a sea at", "a sea at #2"),
        (PROMPT + "a sea\n      #2 of\n", "6:7", "a sea", "a sea #2 of"),
        ("items:\n  - {id: a, prompt: a #2\n    }\n", "4:23", "a", "a #2"),
        ("items:\n  - id: a\n    params:\n      prompt: a #2\n", "6:17", "a", "a #2"),
        ("params:\n  prompt: a #2\nitems:\n  - id: a\n", "4:13", "a", "a #2"),
    ],
)
def test_a_prompt_that_a_comment_ends_is_said(  # noqa: PLR0917 - a table
    write_manifest, text, place, sent, mended, end
):
    (warning,) = warnings_of(write_manifest, text.replace("\n", end))

    assert warning == (
        f'{place}: a comment begins here, so only "{sent}" is sent as the prompt;'
        f' if it belongs to the text, write prompt: "{mended}"'
    )


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("vars:\n  v: red #2\nitems:\n  - {id: a, prompt: '${v}'}\n", "4:10", "v"),
        ("items:\n  - id: red #2\n    prompt: a\n", "4:13", "id"),
        (PROMPT + "a\n    vars:\n      v: red #2\n", "7:14", "v"),
        (PROMPT + "a\n    params:\n      x: [a, red #2\n      ]\n", "7:18", "x"),
        (
            AXIS + "        - red #2\n        - blue # sea\n",
            "8:15",
            "v",
        ),
    ],
)
def test_another_text_is_where_a_remark_would_have_a_blank(
    write_manifest, text, place, name
):
    model = "version: 1\nmodel: model_unknown\n"

    (warning,) = warnings_of(write_manifest, model + text)

    assert warning == (
        f"{place}: a comment begins here, so '{name}' is only \"red\"; if it belongs to"
        ' the text, write "red #2"'
    )


@pytest.mark.parametrize(
    "text",
    [
        "items:\n  - id: a\n    prompt: 'a sword' # fine\n",
        'items:\n  - id: a\n    prompt: "a sword #2" #fine\n',
        "items:\n  - id: a\n    prompt: |\n      a sword #2\n",
        "items:\n  - id: a\n    prompt: | #fine\n      a sword\n",
        "items:\n  - id: a\n    prompt: a sword#2\n",
        "items:\n  - id: a\n    prompt: a sword\n    #params: {size: 1K}\n",
        "items:\n  - id: a\n    prompt: a sword\n      # of gold\n",
        "items:\n  - id: a\n    prompt: a sword\n\n      #2 of gold\n",
        "items:\n  - id: a # the first\n    prompt: a sword\n",
        "# one\nitems: #all\n  #2\n  - id: a\n    prompt: a sword\n    params: #more\n",
        PROMPT + "a sword\n    params:\n      seed: 3 #lucky\n      size: 1K # small\n",
        "vars:\n  v: red # of course\nitems:\n  - {id: a, prompt: 'a ${v}'}\n",
    ],
)
def test_a_remark_is_none(write_manifest, text):
    assert warnings_of(write_manifest, text) == []


def test_a_habit_is_said_a_handful_of_times(write_manifest):
    lines = [f"  - id: a{n}\n    prompt: a sword #{n}\n" for n in range(9)]

    found = warnings_of(write_manifest, "items:\n" + "".join(lines))

    assert len(found) == MAX_WARNINGS
    assert found[-1].startswith("13:21: ")
    assert (
        write_manifest("items:\n" + "".join(lines))
        .warnings[-1]
        .endswith("4 more texts end at a comment")
    )


def test_a_text_that_is_used_twice_is_said_once(write_manifest):
    text = "items:\n  - id: a\n    prompt: &p a sword #2\n  - id: b\n    prompt: *p\n"

    assert len(warnings_of(write_manifest, text)) == 1
