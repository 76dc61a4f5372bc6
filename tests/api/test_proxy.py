"""find_proxy: as the environment says, and never for this machine."""

import itertools

import pytest

from pipeline.api.proxy import find_proxy
from pipeline.errors import UsageError

HOSTS = (f"host-{n}.example" for n in itertools.count())


@pytest.fixture
def host():
    """A host that was not asked for before: what is found is remembered."""
    return next(HOSTS)


def test_without_a_proxy_the_way_is_direct(host):
    assert find_proxy(f"https://{host}/v1") is None


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_the_environment_names_the_proxy(monkeypatch, host, name):
    monkeypatch.setenv(name, "http://proxy.example:3128")

    assert find_proxy(f"https://{host}/v1?x=1") == "http://proxy.example:3128"


def test_a_proxy_without_a_scheme_is_http(monkeypatch, host):
    monkeypatch.setenv("https_proxy", "proxy.example:3128")

    assert find_proxy(f"https://{host}/v1") == "http://proxy.example:3128"


def test_a_proxy_for_http_is_none_for_https(monkeypatch, host):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")

    assert find_proxy(f"https://{host}/v1") is None


@pytest.mark.parametrize("proxy", ["http://[", "http://proxy.example:port", "ftp://x"])
def test_what_is_no_proxy_is_a_usage_error(monkeypatch, host, proxy):
    monkeypatch.setenv("https_proxy", proxy)

    with pytest.raises(UsageError, match="is not the URL of an HTTP proxy"):
        find_proxy(f"https://{host}/v1")


@pytest.mark.parametrize("exception", ["*", "{host}", ".example", "a.b, {host}:443"])
def test_exceptions_go_direct(monkeypatch, host, exception):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", exception.format(host=host))

    assert find_proxy(f"https://{host}:443/v1") is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:9/v1"]
)
def test_this_machine_is_never_reached_through_a_proxy(monkeypatch, url):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")

    assert find_proxy(url) is None
