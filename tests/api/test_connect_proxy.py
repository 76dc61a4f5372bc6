"""HttpApi and HttpTransfer behind a proxy that does not let them through."""

import asyncio
import base64
import itertools
from typing import Any

import pytest
from doubles.network import ConnectProxy

from pipeline.api import proxy as proxies
from pipeline.api.cdn import HttpTransfer
from pipeline.api.client import HttpApi
from pipeline.errors import Unavailable, UsageError
from pipeline.settings import Credentials, Settings

KEY, SECRET = "the-canary-key", "the-canary-secret"
SECRETS = (KEY, SECRET, base64.b64encode(f"{KEY}:{SECRET}".encode()).decode())
LARGE = {"prompt": "oak " * 20_000}
HOSTS = (f"service-{number}.example" for number in itertools.count())
TIGHT = Settings(submit_timeout_s=0.5, read_timeout_s=0.5, connect_timeout_s=0.5)


@pytest.fixture
def base_url():
    """Of a host that was not asked for before: what is found is remembered."""
    return f"https://{next(HOSTS)}/v1"


@pytest.fixture
def connect(base_url, clock):
    def made(settings=TIGHT):
        credentials = Credentials(key=KEY, secret=SECRET, base_url=base_url)
        return HttpApi(credentials, settings, clock)

    return made


@pytest.fixture
def behind(monkeypatch):
    def use(url):
        monkeypatch.setenv("https_proxy", url)

    return use


def leaks(proxy):
    return [secret for secret in SECRETS if secret.encode() in proxy.received]


REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "407": ({"login": "ann:something-else"}, "HTTP 407", "USER:PASSWORD"),
    "403": ({"refusal": "403 Forbidden"}, "HTTP 403 Forbidden", "NO_PROXY"),
    "502": ({"refusal": "502 Bad Gateway"}, "HTTP 502 Bad Gateway", "NO_PROXY"),
    "401": ({"refusal": "401 Unauthorized"}, "HTTP 401", "NO_PROXY"),
    "nothing": ({"hangs_up": True}, "Server disconnected", "HTTPS_PROXY"),
    "no TLS": ({"refusal": "200 OK"}, "", "HTTPS_PROXY"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_proxy_that_fails_is_named_and_nothing_has_left(case, connect, behind):
    behaviour, said, hint = REFUSALS[case]
    async with ConnectProxy(**behaviour) as proxy:
        behind(proxy.url)
        async with connect() as api:
            with pytest.raises(Unavailable) as of_submit:
                await api.submit("model_x", {"prompt": "an oak"})
            with pytest.raises(Unavailable) as of_reading:
                await api.find_job("job_1")

    assert type(of_submit.value) is Unavailable
    assert not of_submit.value.request_left
    for caught in (of_submit, of_reading):
        assert said in caught.value.message
        assert proxy.url in caught.value.message
        assert hint in caught.value.hint
    assert len(proxy.heads) >= 2  # aiohttp asks again when it reads
    assert leaks(proxy) == []
    assert b"authorization" not in bytes(proxy.received).lower()


@pytest.mark.parametrize("case", ["407", "403"])
async def test_a_large_submit_that_a_proxy_refuses_has_not_left_either(
    case, connect, behind
):
    async with ConnectProxy(**REFUSALS[case][0]) as proxy:
        behind(proxy.url)
        async with connect() as api:
            with pytest.raises(Unavailable) as caught:
                await api.submit("model_x", LARGE)

    assert not caught.value.request_left


async def test_a_proxy_that_is_not_there_is_named(connect, behind):
    async with ConnectProxy() as proxy:
        pass
    behind(proxy.url)

    async with connect() as api:
        with pytest.raises(Unavailable) as caught:
            await api.submit("model_x", {})

    assert proxy.url in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint
    assert not caught.value.request_left


async def hang(server, reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.Event().wait()


async def test_a_proxy_that_never_answers_has_kept_the_submit_from_leaving(
    connect, behind, serve
):
    proxy = await serve(hang)
    behind(proxy.url)
    async with connect() as api:
        with pytest.raises(Unavailable) as caught:
            await api.submit("model_x", {})

    assert not caught.value.request_left
    assert proxy.url in caught.value.message


async def test_the_login_for_the_proxy_is_all_that_it_gets_and_is_not_shown(
    connect, behind
):
    password = "p%40ssword-of-ann"
    async with ConnectProxy(refusal="403 No") as proxy:
        behind(proxy.url.replace("//", f"//ann:{password}@"))
        async with connect() as api:
            with pytest.raises(Unavailable) as caught:
                await api.submit("model_x", {})

    login = base64.b64encode(b"ann:p@ssword-of-ann")
    assert b"Proxy-Authorization: Basic " + login in proxy.heads[0]
    assert leaks(proxy) == []
    assert "ssword" not in f"{caught.value}{caught.value.hint}"
    assert proxy.url in caught.value.message


async def test_the_cdn_s_proxy_is_named_without_the_signed_url(monkeypatch):
    proxies._proxy_of.cache_clear()
    async with ConnectProxy(refusal="403 Forbidden") as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with HttpTransfer(TIGHT, loopback=False) as transfer:
            with pytest.raises(Unavailable) as caught:
                async with transfer.read("https://cdn.scenario.com/a?Signature=s3cret"):
                    pass
    proxies._proxy_of.cache_clear()

    assert "answered HTTP 403 Forbidden" in caught.value.message
    assert "NO_PROXY" in caught.value.hint
    assert "s3cret" not in str(caught.value)
    assert b"s3cret" not in proxy.received


async def test_a_proxy_that_never_answers_holds_no_download(monkeypatch, serve):
    proxies._proxy_of.cache_clear()
    proxy = await serve(hang)
    monkeypatch.setenv("https_proxy", proxy.url)
    async with HttpTransfer(TIGHT, loopback=False) as transfer:
        with pytest.raises(Unavailable) as caught:
            async with transfer.read("https://cdn.scenario.com/a?Signature=s3cret"):
                pass
        with pytest.raises(Unavailable):
            await transfer.write("https://cdn.scenario.com/a", b"part", "image/png")
    proxies._proxy_of.cache_clear()

    assert "Timeout" in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5"])
@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
def test_a_socks_proxy_is_refused_with_what_to_do(connect, monkeypatch, scheme, name):
    monkeypatch.setenv(name, f"{scheme}://ann:password-of-ann@127.0.0.1:1080")

    with pytest.raises(UsageError, match="SOCKS") as caught:
        connect()

    assert "password" not in str(caught.value)
    assert "HTTPS_PROXY" in caught.value.hint
    assert "NO_PROXY=service-" in caught.value.hint


async def test_a_socks_proxy_for_the_cdn_alone_is_refused_before_anything_is_paid(
    monkeypatch,
):
    proxies._proxy_of.cache_clear()
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(UsageError, match="SOCKS"):
        await HttpTransfer(TIGHT, loopback=False).__aenter__()
    proxies._proxy_of.cache_clear()


@pytest.mark.parametrize("url", ["ftp://proxy.example", "http://", "http://:3128"])
def test_what_is_no_proxy_is_refused(connect, behind, url):
    behind(url)

    with pytest.raises(UsageError, match="not the URL of an HTTP proxy"):
        connect()
