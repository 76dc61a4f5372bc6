"""Syntax: mistakes in YAML are told in plain words, with the line as it would be right.

For each mistake the line that the message shows is put in the place of the wrong one;
then the manifest must say what was meant.
"""

import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import ManifestError
from pipeline.manifest import expand, load_manifest, source, validate_manifest

HEAD = "version: 1\nmodel: model_wan-2-7-image\nitems:\n"
OAK = HEAD + "  - id: oak\n    prompt: "

# What the parser says, in either of its two versions.
PARSERS_WORDS = re.compile(
    r"while (scanning|parsing)|expected|block (end|mapping|sequence|node|collection)"
    r"|scalar|token|flow|directive|node content|indicator|the YAML is not valid"
)


def faults_of(text: str, tmp_path) -> list[str]:
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        validate_manifest(path)
    except ManifestError as exc:
        return [str(fault).removeprefix(str(path)) for fault in exc.faults]
    return []


def prompts_of(text: str, tmp_path) -> list[str]:
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    return [str(item.params["prompt"]) for item in expand(load_manifest(path))]


@pytest.fixture(params=["with C", "without C"])
def either_parser(request, monkeypatch):
    if request.param == "without C":
        monkeypatch.setattr(source, "_LOADER", yaml.SafeLoader)


# What is written after `prompt: `, and the text that is meant.
PROMPTS = [
    ("'it's me'", "it's me"),
    ("'the dog's and the cat's bowl'", "the dog's and the cat's bowl"),
    ('"say "hi" now"', 'say "hi" now'),
    ('"quoted" cat', '"quoted" cat'),
    ("'quoted' cat", "'quoted' cat"),
    ('"a" and "b"', '"a" and "b"'),
    ("'a' 'b'", "'a' 'b'"),
    ('"""a cat"""', "a cat"),
    ('"quoted" cat\n      on a mat', '"quoted" cat on a mat'),
    ("'tis the season", "'tis the season"),
    ("'80s car", "'80s car"),
    ('"open', "open"),
    ("'open", "open"),
    ("[red] hat", "[red] hat"),
    ("[red]: hat", "[red]: hat"),
    ("[red, hat]", "[red, hat]"),
    ("[red", "[red"),
    ("{curly} text", "{curly} text"),
    ("{curly}", "{curly}"),
    ("{curly", "{curly"),
    ("*bold*", "*bold*"),
    ("*bold* cat", "*bold* cat"),
    ("*star", "*star"),
    ("* star", "* star"),
    ("*star wars", "*star wars"),
    ("*", "*"),
    ("&hearts of oak", "&hearts of oak"),
    ("&x *y", "&x *y"),
    ("&", "&"),
    ("!important sign", "!important sign"),
    ("! wow", "! wow"),
    ("@oak", "@oak"),
    ("`code` cat", "`code` cat"),
    ("%red", "%red"),
    ("] x", "] x"),
    ("} x", "} x"),
    (", x", ", x"),
    ("- dash", "- dash"),
    ("? what", "? what"),
    ("> text after", "text after"),
    ("> text after\n      and more", "text after and more"),
    ("| text after\n      and more", "text after\nand more"),
    ("|text", "|text"),
    (">2 cats", ">2 cats"),
    ("style: flat", "style: flat"),
    ("style: flat: red", "style: flat: red"),
    ("a cat:", "a cat:"),
    ("it's: me", "it's: me"),
    ('say "hi": now', 'say "hi": now'),
    ("a cat\n      on a mat: red", "a cat on a mat: red"),
    ("\n      a cat: red", "a cat: red"),
    ("a\tb: c", "a\tb: c"),
    ("“a cat”", "a cat"),
    ("“style: flat”", "style: flat"),
    ("#red cat", "#red cat"),
    ("null", "null"),
    ("~", "~"),
]


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(("written", "meant"), PROMPTS)
def test_a_prompt_without_its_quotes_is_shown_with_them(written, meant, tmp_path):
    faults = faults_of(OAK + written + "\n  - id: elm\n    prompt: an elm\n", tmp_path)

    assert len(faults) == 1
    assert re.match(r":[56]:[0-9]+: ", faults[0])
    assert not PARSERS_WORDS.search(faults[0])
    shown = re.search(r"write: prompt: (.*?)( \((if|to keep).*)?$", faults[0])
    assert shown is not None
    assert prompts_of(OAK + shown[1] + "\n", tmp_path) == [meant]


# Lines under `items:`, which of them is wrong, and how it would be right.
LINES = [
    ("  - {id: oak, prompt: *bold*}", 1, '  - {id: oak, prompt: "*bold*"}'),
    ("  - {id: oak, prompt: 'it's me'}", 1, "  - {id: oak, prompt: \"it's me\"}"),
    ("  - {id: oak, prompt: a: b}", 1, '  - {id: oak, prompt: "a: b"}'),
    ("  - {id: oak, prompt: it's [red]}", 1, "  - {id: oak, prompt: \"it's [red]\"}"),
    ("  - {id: oak prompt: a cat}", 1, "  - {id: oak, prompt: a cat}"),
    ("  - {id: oak, prompt: a cat", 1, "  - {id: oak, prompt: a cat}"),
    ("\t- id: oak\n\t  prompt: x", 1, "  - id: oak"),
    ("  - id: oak\n\tprompt: x", 2, "    prompt: x"),
    ("  -\tid: oak\n    prompt: x", 1, "  - id: oak"),
    ("  - id: oak\n  \t  prompt: x", 2, "    prompt: x"),
    ("  - id: oak\n\xa0\xa0\xa0\xa0prompt: x", 2, "    prompt: x"),
    ("\xa0\xa0- id: oak\n    prompt: x", 1, "  - id: oak"),
    ("  -\xa0id: oak\n    prompt: x", 1, "  - id: oak"),
    ("  - id:\xa0oak\n    prompt: x", 1, "  - id: oak"),
    ("  - id: oak\n  \xa0 prompt: x", 2, "    prompt: x"),
    ("  - id: oak\n\u3000\u3000\u3000\u3000prompt: x", 2, "    prompt: x"),
    ("  - id: oak\n    \u200bprompt: x", 2, "    prompt: x"),
    ("  - id: oak\n    prompt\uff1ax", 2, "    prompt: x"),
    ("  - id: oak\n    prompt x", 2, "    prompt: x"),
    ("  - id: oak\n    prompt:x", 2, "    prompt: x"),
    ("  - id:oak\n    prompt: x", 1, "  - id: oak"),
    ("  -id: oak\n    prompt: x", 1, "  - id: oak"),
    ("  \u2013 id: oak\n    prompt: x", 1, "  - id: oak"),
    ("  * id: oak\n    prompt: x", 1, "  - id: oak"),
    ('  - "id: oak\n    prompt: x', 1, "  - id: oak"),
    ("  - id: oak\n     prompt: x", 2, "    prompt: x"),
    ("  - id: oak\n   prompt: x", 2, "    prompt: x"),
    ("  - id: oak\n  prompt: x", 2, "    prompt: x"),
    ("  - id: oak\n    prompt:\n    a cat", 3, "      a cat"),
    ("  - id: oak\n    prompt: >\n    a cat", 3, "      a cat"),
    ("  - id: oak\n    prompt: a cat\n    on a mat", 3, "      on a mat"),
    ("  - id: oak\n    prompt: x\n   - id: elm\n     prompt: x", 3, "  - id: elm"),
    ("  - id: oak\n    prompt: x\n  id: elm\n    prompt: x", 3, "  - id: elm"),
    ("  - id: oak\n    prompt: 'x\n  - id: elm\n    prompt: 'y'", 2, '    prompt: "x"'),
    ('  - id: oak\n    prompt: "x\n  - id: elm\n    prompt: y"', 2, '    prompt: "x"'),
    ("  - id: oak\n    prompt: x\n    params: {images: [asset_1", 3, "    params: {images: [asset_1]}"),
    ('  - id: oak\n    prompt: x\n    params: {images: ["file:C:\\q.png"]}', 3, "    params: {images: ['file:C:\\q.png']}"),
]  # fmt: skip


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(("written", "number", "right"), LINES)
def test_a_line_is_shown_as_it_would_be_right(written, number, right, tmp_path):
    faults = faults_of(HEAD + written + "\n", tmp_path)

    assert faults[0].startswith(f":{number + 3}:")
    assert right.strip() in faults[0]
    assert not PARSERS_WORDS.search(faults[0])
    indent = len(right) - len(right.lstrip())
    if "spaces before it" in faults[0]:
        assert f"{indent} spaces before it: {right}" in faults[0]
    else:
        old = written.split("\n")[number - 1]
        assert len(old) - len(old.lstrip(" ")) == indent


def test_the_mistakes_behind_the_first_are_told_too(tmp_path):
    faults = faults_of(
        OAK + "'it's me'\n  - id: elm\n    prompt: *bold*\n  - id:ash\n"
        '    prompt: > x\n    params: {seed: 1\n  - id: yew\n    prompt: "open\n',
        tmp_path,
    )  # fmt: skip

    places = [fault.split(": ")[0] for fault in faults]
    assert places == [":5:13", ":7:13", ":8:5", ":9:13", ":10:13", ":12:13"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("%YAML 1.2\n" + OAK + "x\n", ":1:1: a line that begins with '%'"),
        ("```yaml\n" + OAK + "x\n```\n", ":1:1: '```' is Markdown, not YAML; remove"),
        (OAK + "x\n---\n", ":6:1: a second document starts here"),
        (OAK + "x\n...\nname: a\n", ":6:1: '...' ends the manifest"),
        (OAK + "\n", ":5:12: the prompt is empty; write the text after 'prompt:'"),
        (OAK + "12\n", ":5:13: 'prompt' takes text, not the number 12; put it in qu"),
        (OAK + "true\n", ":5:13: 'prompt' takes text, not true; put it in quotes"),
        (OAK + "x\n    id: elm\n", ":6:5: the key 'id' is already used at line 4"),
        (HEAD + "  id: oak\n", ":4:3: items must be a list, not a mapping; begin each"),
        (HEAD + "  - id = oak\n", ":4:5: an item must be a mapping (key: value), not "),
        (HEAD + "  - id: null\n", ":4:9: id must be text, not nothing; if it is text"),
        (HEAD + "  - {id: a, prompt: a, b}\n", ":4:24: inside { } a comma ends the"),
        (HEAD + "  - {id:oak, prompt: a}\n", ":4:6: a key ends with ': ', a colon a"),
        ("\ufeff\ufeff" + OAK + "x\n", ":1:1: the character U+FEFF is not allowed"),
    ],
)  # fmt: skip
def test_other_mistakes_are_told_in_plain_words(text, fault, tmp_path):
    faults = faults_of(text, tmp_path)

    assert any(one.startswith(fault) for one in faults)
    assert not any(map(PARSERS_WORDS.search, faults))


@pytest.mark.parametrize("value", ["2026-11-22", "yes", "no", "on", "off", "1_000"])
def test_what_yaml_1_1_takes_for_something_else_is_text(value, tmp_path):
    assert prompts_of(OAK + value + "\n", tmp_path) == [value]


def test_a_quoted_text_may_have_lines_that_look_like_keys(tmp_path):
    text = OAK + '"a sign:\n      note: no - id\n\n      - end"\n'

    assert prompts_of(text, tmp_path) == ["a sign: note: no - id\n- end"]


def test_an_anchor_to_which_an_alias_refers_is_no_mistake(tmp_path):
    text = OAK + "&same a cat\n  - id: elm\n    prompt: *same\n"

    assert prompts_of(text, tmp_path) == ["a cat", "a cat"]


@pytest.mark.parametrize(
    "text",
    ["TOKEN: 'se'cret'\n", "A: &secret x\n", "A: 'b\nC: secret'\n", "A: “secret”\n"],
)
def test_lines_of_a_file_that_is_no_manifest_are_not_shown(text, tmp_path):
    faults = faults_of(text, tmp_path)

    assert faults
    assert not any("cret" in fault for fault in faults)


def test_a_long_line_is_shown_without_its_middle(tmp_path):
    (fault,) = faults_of(OAK + "*" + "cat " * 1000 + "\n", tmp_path)

    assert 'write: prompt: "*cat cat' in fault
    assert " … " in fault
    assert len(fault) < 700


SOUND = (
    OAK
    + """an oak, ${look}
    params: {seed: 5, images: [asset_1, "asset_2"]}
  - id: elm-${time}
    prompt: >
      a tall elm
      in the wind
    matrix:
      time:
        - dawn
        - dusk
"""
)


@example(at=len(HEAD) + 12, signs="|")
@given(
    at=st.integers(0, len(SOUND)),
    signs=st.text("'\"[]{}*&!@`%>|:-?,#\t \n\xa0\u201c\u2019", min_size=1, max_size=3),
)
def test_no_slip_of_the_pen_is_told_in_the_parsers_words(at, signs, tmp_path_factory):
    text = SOUND[:at] + signs + SOUND[at:]

    faults = faults_of(text, tmp_path_factory.mktemp("slip"))

    assert not any(map(PARSERS_WORDS.search, faults))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            OAK + "[a] tree # in a field\n",
            (
                ":5:13: YAML takes '[…]' for a list, but more text follows it; write:"
                ' prompt: "[a] tree" # in a field'
            ),
        ),
        (
            HEAD + '  - {"id": "oak" "prompt": "x"}\n',
            (
                ":4:17: there is no comma between two entries; write:"
                ' - {"id": "oak", "prompt": "x"}'
            ),
        ),
        (
            HEAD + "  -id:oak\n    prompt: x\n",
            (
                ":4:3: an entry of a list begins with '- ', a dash and a space; write:"
                " - id: oak"
            ),
        ),
        (
            OAK + "x\n    takes:@2\n",
            (
                ":6:5: there has to be a space after the ':' of a key; write:"
                ' takes: "@2"'
            ),
        ),
        (
            HEAD + "  - [a], b\n",
            ":4:8: YAML cannot read this line; check its quotes and its indentation",
        ),
    ],
)
def test_a_line_with_two_mistakes_or_a_comment_is_told_whole(text, fault, tmp_path):
    assert faults_of(text, tmp_path) == [fault]


def test_a_text_cut_by_a_comma_is_not_joined_over_lines(tmp_path):
    text = HEAD + "  - {id: oak, prompt: a,\n      the rest}\n"

    (fault,) = faults_of(text, tmp_path)

    assert fault.startswith(":5:7: unknown key 'the rest'; known: ")
