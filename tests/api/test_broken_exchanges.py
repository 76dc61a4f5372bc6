"""HttpApi: every way aiohttp reports a broken exchange becomes one of our errors."""

import asyncio
import inspect
import ssl
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import client_exceptions
from yarl import URL

from pipeline.api.interface import JobFilter
from pipeline.errors import OutcomeUnknown, Unavailable

BASE_URL = "https://api.cloud.scenario.com/v1"
SUBMIT_URL = f"{BASE_URL}/generate/custom/model_x"
SERVER = SimpleNamespace(
    host="api.cloud.scenario.com", port=443, ssl=True, is_ssl=True, proxy=None
)
REQUEST = SimpleNamespace(real_url=URL(BASE_URL), method="POST", headers={})

# Raised while a connection is made: the request cannot have left.
NEVER_CONNECTED = {
    "ClientConnectorError",
    "ClientConnectorDNSError",
    "ClientConnectorSSLError",
    "ClientConnectorCertificateError",
    "ClientProxyConnectionError",
    "ClientHttpProxyError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "InvalidURL",
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",  # a URL is refused before it is connected to
    "ServerFingerprintMismatch",
    "UnixClientConnectorError",
}
AIOHTTP_CLASSES = sorted(
    {
        kind
        for _, kind in inspect.getmembers(client_exceptions, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == client_exceptions.__name__
    },
    key=lambda kind: kind.__name__,
)


def made(kind):  # noqa: PLR0911 - a table of constructors
    """An instance of an aiohttp exception class, whatever its arguments."""
    if issubclass(kind, client_exceptions.UnixClientConnectorError):
        return kind("/a/socket", SERVER, OSError(2, "no such socket"))
    if issubclass(kind, client_exceptions.ClientConnectorCertificateError):
        return kind(SERVER, ssl.SSLCertVerificationError("bad certificate"))
    if issubclass(kind, aiohttp.ClientConnectorError):
        return kind(SERVER, OSError(111, "refused"))
    if issubclass(kind, aiohttp.ClientResponseError):
        return kind(REQUEST, (), status=502, message="bad", headers=None)
    if issubclass(kind, aiohttp.ServerFingerprintMismatch):
        return kind(b"expected", b"got", "host", 443)
    if issubclass(kind, aiohttp.InvalidURL):
        return kind("http://[", "bad")
    return kind("text of aiohttp")


ERRORS = [
    *map(made, AIOHTTP_CLASSES),
    TimeoutError(),
    ConnectionResetError(104, "reset"),
    ConnectionAbortedError(),
    BrokenPipeError(32, "broken pipe"),
    OSError(113, "no route to host"),
    ssl.SSLError("bad record"),
]
CLIENT_ERRORS = [
    error for error in ERRORS if isinstance(error, aiohttp.ClientError | OSError)
]
EACH = pytest.mark.parametrize(
    "error", CLIENT_ERRORS, ids=lambda error: type(error).__name__
)


def test_the_walk_sees_every_class_but_that_of_websockets():
    seen = {type(error).__name__ for error in CLIENT_ERRORS}
    known = {kind.__name__ for kind in AIOHTTP_CLASSES}
    assert known - seen == {"WSMessageTypeError"}
    assert seen >= NEVER_CONNECTED
    assert len(known) > 25


@EACH
async def test_a_free_call_that_breaks_is_unavailable(api, answers, error):
    answers.get(f"{BASE_URL}/jobs/job_1", exception=error)
    answers.get(f"{BASE_URL}/jobs?pageSize=100&types=custom", exception=error)

    with pytest.raises(Unavailable) as caught:
        await api.find_job("job_1")
    with pytest.raises(Unavailable):
        await api.list_jobs(JobFilter())

    assert type(caught.value) is Unavailable
    assert caught.value.status == 0
    assert caught.value.message.startswith("reading job job_1: ")
    assert caught.value.message != "reading job job_1: "
    # It holds the headers that were sent, and with them the credentials.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert len(answers.calls) == 2


@EACH
async def test_a_submit_that_breaks_is_unsure_unless_it_never_connected(
    api, answers, error
):
    answers.post(SUBMIT_URL, exception=error, repeat=True)
    if type(error).__name__ in NEVER_CONNECTED:
        with pytest.raises(Unavailable) as caught:
            await api.submit("model_x", {})
        assert not caught.value.request_left
    else:
        with pytest.raises(OutcomeUnknown):
            await api.submit("model_x", {})

    assert len(answers.calls) == 1


async def test_cancellation_is_no_error_of_ours(api, answers):
    answers.post(SUBMIT_URL, exception=asyncio.CancelledError())

    with pytest.raises(asyncio.CancelledError):
        await api.submit("model_x", {})


async def test_a_bug_stays_a_bug(api, answers):
    answers.get(f"{BASE_URL}/jobs/job_1", exception=KeyError("bug"))

    with pytest.raises(KeyError):
        await api.find_job("job_1")


async def test_a_body_that_is_no_json_never_leaves(api, answers):
    with pytest.raises(TypeError):
        await api.submit("model_x", {"prompt": object()})

    assert answers.calls == []


@pytest.mark.parametrize("identifier", ["", "a/b", "a?b", "a#b", "a%2e", "a b", ".."])
async def test_an_id_that_would_change_the_url_never_leaves(api, answers, identifier):
    calls = [
        api.submit(identifier, {}),
        api.find_job(identifier),
        api.find_asset(identifier),
        api.find_upload(identifier),
        api.complete_upload(identifier),
    ]
    for call in calls:
        with pytest.raises(Exception, match="not a usable id"):
            await call

    assert answers.calls == []
