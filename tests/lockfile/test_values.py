"""Values of a lock file: YAML reads them as we do, whatever their text."""

from decimal import Decimal

import pytest
import yaml
from doubles.locked_jobs import make_job, read, render
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.lockfile import LockHeader
from pipeline.lockfile.values import MAX_LINE_BYTES, MAX_TEXT_CHARS

# --- the text ------------------------------------------------------------------------


def test_a_header_may_hold_any_text(path):
    header = LockHeader(service='x: "y" # \u2028', project="")

    assert read(path, render([], header.service, header.project))[0] == header


@pytest.mark.parametrize(
    ("charged", "kept"),
    [
        ("7.25", "7.25"),
        ("0", "0"),
        ("1E+2", "100"),
        ("0.10", "0.10"),
        ("1E+400", None),
        ("NaN", None),
        ("-1", None),
        (None, None),
    ],
)
def test_units_are_kept_as_decimal_text(path, charged, kept):
    job = make_job(charged=None if charged is None else Decimal(charged))

    [found] = read(path, render([job]))[1]

    assert str(found.charged) == str(kept)


# --- round trip ----------------------------------------------------------------------

WORDS = [
    "on", "Off", "y", "N", "yes", "NO", "true", "False", "null", "Null", "~", "1.0",
    "1", "-1", "+1", "0x1f", "0o17", "0b1", "017", "1e5", "1E5", "12e34", "1_000",
    ".5", "5.", "1.5e3", ".inf", ".nan", "2026-01-01", "-x", "-", "--", "---", "...",
    "=", "<<", "a: b", "a #b", "a b", " a", "a ", "'a'", '"a"', "{a}", "[a]", "&a",
    "*a", "!a", "%a", "@a", "`a`", "|", ">", "?", "? a", ":", "a:", "#a", "a,b", "é",
    "\U0001f600", "\t", "\n", "\r\n", "\x00", "\x1b[31m", "\x7f", "\x85", "\xa0",
    "\u2028", "\u202e", "\ufeff", "\uffff", "12:30:00", "0", "00", "1a", "0a", "nan",
    "inf", "1__", "a" * MAX_TEXT_CHARS, "\x01" * MAX_TEXT_CHARS,
    "\U0001f600" * MAX_TEXT_CHARS,
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word)[:20])
def test_what_yaml_would_misread_is_quoted(path, word):
    text = render([make_job(model_id=word)])

    assert yaml.safe_load(text)["items"][0]["model"] == word
    assert yaml.load(text, yaml.CBaseLoader)["items"][0]["model"] == word
    assert read(path, text)[1][0].model_id == word
    assert max(map(len, text.encode().splitlines())) < MAX_LINE_BYTES


@given(text=st.from_regex(r"[A-Za-z0-9._/+-]{1,10}", fullmatch=True))
@example(text="1e5")
def test_no_number_or_word_stands_unquoted(text):
    rendered = render([make_job(model_id=text)])

    assert yaml.safe_load(rendered)["items"][0]["model"] == text
    # YAML 1.2 takes more for numbers than the loader of 1.1 does.
    if f"  model: {text}\n" in rendered:
        with pytest.raises(ValueError, match=r"could not convert|invalid"):
            float(text) if text.lower() not in {"nan", "inf", "infinity"} else int(text)
