"""Guard: whose requests are answered, and what every answer says to the browser."""

import pytest

from pipeline.report.review.guard import Guard, is_loopback
from pipeline.report.review.refused import Refused

PATH = "/secret/icons/"


def is_refused(
    path=PATH, *, origin="", site="", name="127.0.0.1:8766", host="127.0.0.1"
):
    sent = {"Host": name}
    sent |= {"Origin": origin} if origin else {}
    sent |= {"Sec-Fetch-Site": site} if site else {}
    try:
        Guard("secret", host).check(path, sent)
    except Refused:
        return True
    return False


@pytest.mark.parametrize(
    "name",
    ["127.0.0.1:8766", "localhost:8766", "LOCALHOST", "[::1]:8766", "localhost:9"],
)
def test_a_name_of_this_machine_is_known(name):
    assert not is_refused(name=name)


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8766",
        "",
        "192.168.1.5",
        "[",
        "localhost@evil.example",
    ],
)
def test_a_foreign_name_is_refused(name):
    assert is_refused(name=name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("192.168.1.5:8766", False), ("[fe80::1]:80", False), ("evil.example", True)],
)
def test_who_listens_on_all_addresses_is_known_by_each_but_by_no_foreign_name(
    name, expected
):
    assert is_refused(name=name, host="0.0.0.0") is expected


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1:8766",
        "http://127.0.0.1:9",
        "null",
        "http://127.0.0.1:8766.evil.example",
    ],
)
def test_a_foreign_origin_is_refused(origin):
    assert is_refused(origin=origin)
    assert not is_refused(origin="http://127.0.0.1:8766")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unheard-of"])
def test_a_request_from_another_site_is_refused(site):
    assert is_refused(site=site)
    assert not is_refused(site="same-origin")
    assert not is_refused(site="none")


@pytest.mark.parametrize(
    "path",
    ["/", "/icons/", "/secre/icons/", "/secrets/icons/", "//icons/", "/Secret/", "/ä/"],
)
def test_a_path_without_the_token_is_refused(path):
    assert is_refused(path)
    assert not is_refused("/secret")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.5", False),
        ("build.example", False),
    ],
)
def test_only_this_machine_can_reach_a_loopback_address(host, expected):
    assert is_loopback(host) is expected
