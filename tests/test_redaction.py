"""Redactor: every form in which a secret is quoted, and nothing else."""

import base64
import json
import re
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.console.text import one_line
from pipeline.errors import PipelineError, Unavailable
from pipeline.models.wording import shown
from pipeline.redaction import SECRET_MARK, SECRETS, SHORTEST_SECRET, Redactor
from pipeline.settings import Credentials, find_credentials

KEY = "api_K7q/w+Zr9x=Tn4Bv"
SECRET = 'sK"3\\f<9&a%1 zQ~m'
PAIR = f"{KEY}:{SECRET}"


def b64(text):
    return base64.b64encode(text.encode()).decode()


FORMS = {
    "the key": KEY,
    "the secret": SECRET,
    "the pair": PAIR,
    "the header": f"Basic {b64(PAIR)}",
    "the key in base64": b64(KEY),
    "the secret in base64": b64(SECRET),
    "without its end": b64(SECRET).rstrip("="),
    "in the base64 of URLs": base64.urlsafe_b64encode(PAIR.encode()).decode(),
    "quoted": quote(SECRET, safe=""),
    "quoted in small letters": re.sub(
        "%..", lambda found: found[0].lower(), quote(SECRET, safe="")
    ),
    "quoted with plus": quote_plus(SECRET),
    "base64, quoted": quote(b64(PAIR), safe=""),
    "in JSON": json.dumps(SECRET),
}
SIGNED = (
    (
        "https://cdn.cloud.scenario.com/a?Policy=eyJTdGF0ZW1lbnQiOltd&Key-Pair-Id=K2JCJMDEH"
        "XQW5F&Signature=abc~def-ghi_jkl__"
    ),
    (
        "https://s3.example/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0a1b2c&X-Am"
        "z-Credential=AKIA%2F20260101"
    ),
    "to=https%3A%2F%2Fcdn%3FPolicy%3DeyJTdGF0ZW1lbnQ%26Signature%3Dabcdefghijk",
    "Signature=abc~def-ghi_jkl; Policy=eyJTdGF0ZW1lbnQiOltd",
)


@pytest.fixture
def redactor():
    made = Redactor()
    made.learn(KEY)
    made.learn_login(KEY, SECRET)
    return made


def parts(text):
    """Runs of a length that would help a thief."""
    return {text[start : start + 9] for start in range(len(text) - 8)}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_taken_out_in_every_form(redactor, form):
    cleaned = redactor.clean(f"said: {FORMS[form]}, twice: {FORMS[form]}.")

    assert SECRET_MARK in cleaned
    assert not parts(cleaned) & (parts(KEY) | parts(SECRET) | parts(b64(PAIR)))
    assert cleaned.startswith("said: ")
    assert "twice: " in cleaned


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_it_is_found_in_the_base64_of_something_longer(before, after):
    redactor = Redactor()
    redactor.learn(SECRET)
    encoded = base64.b64encode(before + SECRET.encode() + after).decode()

    cleaned = redactor.clean(encoded)

    assert not parts(cleaned) & parts(b64(SECRET)[1:-4])
    assert SECRET_MARK in cleaned


@pytest.mark.parametrize("url", SIGNED)
def test_the_query_of_a_signed_url_is_taken_out(url):
    cleaned = Redactor().clean(f"see {url} or call")

    for name in ("Policy=", "Signature=", "Key-Pair-Id=", "X-Amz-", "Policy%3D"):
        assert name not in cleaned
    for value in ("eyJTdG", "abc~def", "abcdefgh", "0a1b2c", "AKIA"):
        assert value not in cleaned
    assert cleaned.startswith("see ")
    assert cleaned.endswith(" or call")


@pytest.mark.parametrize(
    "text",
    [
        "a policy=none sign, Signature=red",
        "https://docs.example/a?b=c&d=e",
        "the emulated any secret",
        "",
    ],
)
def test_other_text_stays_as_it_is(redactor, text):
    assert redactor.clean(text) == text
    assert redactor.clean_answer(text.encode()) == text.encode()


def test_a_short_secret_is_taken_for_a_word():
    redactor = Redactor()
    redactor.learn_login("any", "oak" * 3)

    assert redactor.clean("an oakoakoak, any") == "an oakoakoak, any"
    assert redactor.clean(f"Basic {b64('any:oakoakoak')}") == f"Basic {SECRET_MARK}"
    assert len("oakoakoak") < SHORTEST_SECRET


def test_an_answer_is_cleaned_whatever_json_escapes(redactor):
    as_php = json.dumps({"a": KEY}).replace("/", "\\/").encode()
    escaped = "".join(f"{chr(92)}u00{ord(char):02x}" for char in KEY)
    as_go = b'{"a": "%s"}' % escaped.encode()
    both = b'{"a":"\\u00e9 \\\\u0041 \\"\\u0042\\" \\n ' + b64(PAIR).encode() + b'"}'

    for body in (as_php, as_go):
        assert json.loads(redactor.clean_answer(body)) == {"a": SECRET_MARK}
    assert json.loads(redactor.clean_answer(both)) == {
        "a": f'é \\u0041 "B" \n {SECRET_MARK}'
    }


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text())))
def test_an_answer_without_secrets_means_what_it_meant(record):
    redactor = Redactor()
    redactor.learn_login(KEY, SECRET)
    for body in (json.dumps(record), json.dumps(record, ensure_ascii=False)):
        try:
            data = body.encode()
        except UnicodeEncodeError:
            continue
        assert json.loads(redactor.clean_answer(data)) == json.loads(data)


def test_signed_urls_stay_where_they_are_wanted(redactor):
    body = json.dumps({"url": SIGNED[0], "name": SECRET}).encode()

    kept = json.loads(redactor.clean_answer(body, keeps_urls=True))

    assert kept == {"url": SIGNED[0], "name": SECRET_MARK}
    assert b"Signature" not in redactor.clean_answer(body)


def test_bytes_that_are_no_text_come_through():
    data = bytes(range(256))

    assert Redactor().clean_answer(data) == data


# --- where it is taught, and where it is asked -------------------------------------


def test_credentials_are_known_from_when_they_are_made():
    Credentials(key=KEY, secret=SECRET)

    assert SECRETS.holds(f"a {SECRET} b")
    assert SECRETS.holds(f"Basic {b64(PAIR)}")


def test_every_place_is_known_whichever_is_used():
    def place(name):
        return {
            "SCENARIO_SDK_API_KEY": f"key-of-the-{name}",
            "SCENARIO_SDK_API_SECRET": f"secret-of-the-{name}",
        }

    find_credentials(place("environment"), place("file"), lambda: place("ring"))
    assert SECRETS.holds("secret-of-the-environment")
    assert SECRETS.holds("secret-of-the-file")
    assert not SECRETS.holds("secret-of-the-ring")  # nobody asked it

    find_credentials({}, {}, lambda: place("ring"))
    assert SECRETS.holds("secret-of-the-ring")


def test_no_error_says_a_secret():
    SECRETS.learn(SECRET)

    error = Unavailable(f"refused: {SECRET}", hint=f"not {SECRET}")

    assert error.message == f"refused: {SECRET_MARK}"
    assert error.hint == f"not {SECRET_MARK}"
    assert SECRET not in repr(PipelineError(SECRET))


def test_half_a_secret_is_not_shown_either():
    SECRETS.learn(SECRET)

    for cut in (shown("x" * 50 + SECRET), one_line("x" * 150 + SECRET)):
        assert SECRET[:5] not in cut


def test_threads_may_learn_and_clean_at_once():
    redactor = Redactor()
    wrong = []

    def work(number):
        secret = f"secret-number-{number:04}-of-many"
        redactor.learn(secret)
        if redactor.clean(secret) == secret:
            wrong.append(secret)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong
    assert all(redactor.holds(f"secret-number-{n:04}-of-many") for n in range(8))
