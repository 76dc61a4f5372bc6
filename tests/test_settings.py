"""Credentials: from one place, over a safe connection, and never shown."""

import pytest

from pipeline.errors import ExitCode, UsageError
from pipeline.settings import (
    DEFAULT_BASE_URL,
    Credentials,
    Settings,
    check_base_url,
    find_credentials,
    is_loopback_url,
    load_dotenv,
)

KEY, SECRET = "SCENARIO_SDK_API_KEY", "SCENARIO_SDK_API_SECRET"
URL, PROJECT = "SCENARIO_BASE_URL", "SCENARIO_PROJECT_ID"
WHOLE = {
    KEY: "key-a",
    SECRET: "secret-a",
    URL: "https://a.example/v1",
    PROJECT: "proj_a",
}
OTHER = {
    KEY: "key-b",
    SECRET: "secret-b",
    URL: "https://b.example/v1",
    PROJECT: "proj_b",
}


@pytest.mark.parametrize(
    ("environment", "dotenv"), [(WHOLE, {}), (WHOLE, OTHER), ({}, WHOLE)]
)
def test_everything_comes_from_the_place_that_names_a_credential(environment, dotenv):
    assert find_credentials(environment, dotenv) == Credentials(
        key="key-a",
        secret="secret-a",
        base_url="https://a.example/v1",
        project_id="proj_a",
    )


def test_a_stranger_s_file_cannot_draw_a_real_key_to_its_server():
    found = find_credentials(
        {KEY: "key-a", SECRET: "secret-a"},
        {URL: "https://evil.example/v1", PROJECT: "proj_evil"},
    )

    assert found.base_url == DEFAULT_BASE_URL
    assert found.project_id == ""


def test_an_address_in_the_environment_does_not_draw_the_file_s_key():
    found = find_credentials(
        {URL: "https://evil.example/v1"}, {KEY: "key-b", SECRET: "secret-b"}
    )

    assert found.base_url == DEFAULT_BASE_URL


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, f"{KEY} and {SECRET}"),
        ({KEY: "k"}, SECRET),
        ({SECRET: "s"}, KEY),
        ({KEY: "", SECRET: ""}, f"{KEY} and {SECRET}"),
    ],
)
def test_what_is_missing_is_named_and_the_exit_code_is_that_of_access(
    environment, missing
):
    with pytest.raises(UsageError, match=f"{missing} not set") as caught:
        find_credentials(environment, {})

    assert caught.value.exit_code is ExitCode.ACCESS
    assert "--emulate" in caught.value.hint


def test_half_a_pair_is_not_completed_from_elsewhere():
    with pytest.raises(UsageError, match=SECRET):
        find_credentials({KEY: "key-a"}, OTHER)


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("kéy", "s"),
        ("k:y", "s"),
        ("k\n", "s"),
        ("kéy", "s\r"),
        ("k:y", "s✓"),
        ("k\0", "s"),
        ("\ufeffk", "s"),
    ],
)
def test_characters_that_no_key_has_are_refused_without_showing_them(key, secret):
    with pytest.raises(UsageError, match="contains invalid characters") as caught:
        find_credentials({KEY: key, SECRET: secret}, {})

    assert caught.value.exit_code is ExitCode.USAGE
    assert key not in caught.value.message


def test_a_secret_may_hold_a_colon():
    assert find_credentials({KEY: "k", SECRET: "a:b"}, {}).secret == "a:b"


def test_credentials_do_not_show_themselves():
    shown = f"{Credentials(key='the-key', secret='the-secret')!r}"

    assert "the-key" not in shown
    assert "the-secret" not in shown


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example/v1", "https://a.example/v1"),
        ("https://a.example/v1/", "https://a.example/v1"),
        (" https://a.example ", "https://a.example"),
        ("https://a.example:8443/v1", "https://a.example:8443/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.9.9.9/v1", "http://127.9.9.9/v1"),
        ("http://localhost:1/", "http://localhost:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_safe_base_url_is_taken(text, url):
    assert check_base_url(text) == url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://a.example/v1", "unencrypted"),
        ("http://127.0.0.1.evil.example", "unencrypted"),
        ("http://localhost.evil.example", "unencrypted"),
        ("http://10.0.0.1", "unencrypted"),
        ("http://0.0.0.0", "unencrypted"),
        ("ftp://a.example", "not an http"),
        ("a.example/v1", "not an http"),
        ("https://", "not an http"),
        ("https:///v1", "not an http"),
        ("", "not an http"),
        ("https://a.example/v1?x=1", "not an http"),
        ("https://a.example/v1#x", "not an http"),
        ("https://[", "not an http"),
        ("https://a.example:port/v1", "not an http"),
        ("https://a.example:99999/v1", "not an http"),
        ("https://user@a.example/v1", "must not contain credentials"),
        ("https://user:pw@a.example/v1", "must not contain credentials"),
    ],
)
def test_an_unsafe_base_url_is_refused(text, says):
    with pytest.raises(UsageError, match=says) as caught:
        check_base_url(text)

    assert caught.value.exit_code is ExitCode.USAGE
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [
        ("http://localhost:1", True),
        ("http://LOCALHOST:1", True),
        ("http://127.0.0.1", True),
        ("http://127.1.2.3/x", True),
        ("http://[::1]/", True),
        ("http://[::2]/", False),
        ("http://128.0.0.1", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://2130706433", False),
        ("x", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(url, is_loopback):
    assert is_loopback_url(url) is is_loopback


def test_a_dotenv_file_is_read_as_it_is(tmp_path):
    (tmp_path / ".env").write_text(
        f"# comment\nexport {KEY}='a ${{HOME}} b'\n{SECRET}=\"s\"\nALONE\n"
    )

    assert load_dotenv(tmp_path) == {KEY: "a ${HOME} b", SECRET: "s"}


def test_without_a_dotenv_file_there_is_nothing(tmp_path):
    assert load_dotenv(tmp_path) == {}


def test_a_dotenv_file_does_not_change_the_environment(tmp_path, monkeypatch):
    import os

    (tmp_path / ".env").write_text(f"{KEY}=k\n")

    load_dotenv(tmp_path)

    assert KEY not in os.environ


def test_settings_name_their_units():
    numbers = {
        name: value
        for name, value in (
            (name, getattr(Settings(), name)) for name in Settings.__slots__
        )
        if isinstance(value, float)
    }

    assert all(name.endswith(("_s", "_fraction")) for name in numbers)
    assert all(value > 0 for value in numbers.values())
