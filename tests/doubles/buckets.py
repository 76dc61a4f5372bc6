"""Buckets: on moto's S3 server, on our stand-in for Google, and on any other server.

The first two run in this process. Any other one is that at ``PIPELINE_TEST_STORE``, the
URL of an existing bucket; see CONTRIBUTING.md.
"""

import itertools
import os
import secrets
import urllib.request
import warnings
from functools import cache
from typing import Any
from urllib.parse import quote

import obstore
import obstore.store
import pytest

from doubles import google_storage

ACCESS_KEY = "AKIAcanaryOfOurTests"
SECRET_KEY = "canarySecretOfTheBucketInTests"
OTHER = "PIPELINE_TEST_STORE"
STARTED_WITH = dict(os.environ)
_numbers = itertools.count(1)


class Bucket:
    """A bucket, seen past our own code.

    Attributes:
        endpoint: The server's URL.
        name: Of the bucket.
        requests: Method and path of every request, since :meth:`forget`.
    """

    def __init__(self, endpoint: str, requests: list[str]) -> None:
        self.endpoint = endpoint
        self.name = f"art-{next(_numbers)}"
        self.requests = requests
        self._make()
        self.forget()

    def _make(self) -> None:
        made = urllib.request.Request(f"{self.endpoint}/{self.name}", method="PUT")
        with urllib.request.urlopen(made):
            pass

    @property
    def url(self) -> str:
        """The URL of a store in it."""
        return f"s3://{self.name}/trees"

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def forget(self) -> None:
        """Forget the requests until now."""
        self.requests.clear()

    @property
    def writes(self) -> list[str]:
        """The requests that changed something, or tried to."""
        return [one for one in self.requests if not one.startswith(("GET", "HEAD"))]

    def put(self, name: str, content: bytes) -> None:
        """Put an object there, as another program would."""
        obstore.put(self._client, name, content)

    def put_raw(self, name: str, content: bytes) -> None:
        """Put an object of any name there, past what obstore allows."""
        where = f"{self.endpoint}/{self.name}/trees/{quote(name)}"
        kind = {"Content-Type": "application/json"}
        made = urllib.request.Request(where, content, kind, method="PUT")
        with urllib.request.urlopen(made):
            pass

    def get(self, name: str) -> bytes:
        """The bytes of an object."""
        return bytes(obstore.get(self._client, name).bytes())

    def media_type(self, name: str) -> str:
        """The content type of an object."""
        got = obstore.get(self._client, name, options={"head": True})
        return str(got.attributes["Content-Type"])

    def remove(self, name: str) -> None:
        """Delete an object."""
        obstore.delete(self._client, name)

    @property
    def names(self) -> list[str]:
        """The names of all objects in the store, sorted."""
        from moto.s3.models import s3_backends

        backend = s3_backends["123456789012"]["aws"]
        keys = backend.buckets[self.name].keys
        return sorted(key.removeprefix("trees/") for key in keys)

    @property
    def assets(self) -> list[str]:
        """The names of the pictures, without sidecars."""
        return [name for name in self.names if name.endswith(".png")]

    @property
    def open_uploads(self) -> int:
        """How many multipart uploads are neither completed nor given up."""
        from moto.s3.models import s3_backends

        backend = s3_backends["123456789012"]["aws"]
        return len(backend.buckets[self.name].multiparts)

    @property
    def _client(self) -> Any:
        return obstore.store.S3Store.from_url(
            self.url,
            endpoint=self.endpoint,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region="us-east-1",
            client_options={"allow_http": True},
        )


class GoogleBucket(Bucket):
    """A bucket that speaks as Google Cloud Storage does."""

    def __init__(self) -> None:
        self._server = google_storage.start()
        super().__init__("", self._server.requests)

    def _make(self) -> None:
        """A bucket exists once an object does."""

    @property
    def url(self) -> str:
        return f"gs://{self.name}/trees"

    @property
    def environment(self) -> dict[str, str]:
        return self._server.environment

    @property
    def names(self) -> list[str]:
        start = f"{self.name}/trees/"
        found = [name for name in self._server.objects if name.startswith(start)]
        return sorted(name.removeprefix(start) for name in found)

    @property
    def open_uploads(self) -> int:
        return len(self._server.uploads)

    def refuse_writes(self) -> None:
        """Let nothing be written any more."""
        self._server.read_only.add(self.name)

    @property
    def _client(self) -> Any:
        key = self.environment["GOOGLE_SERVICE_ACCOUNT_KEY"]
        return obstore.store.GCSStore.from_url(
            self.url, service_account_key=key, client_options={"allow_http": True}
        )


class OtherBucket(Bucket):
    """A part of a bucket on a server that somebody has started."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/{secrets.token_hex(6)}/trees"
        super().__init__("", [])

    def _make(self) -> None:
        """It is there."""

    @property
    def url(self) -> str:
        return self._url

    @property
    def environment(self) -> dict[str, str]:
        return {
            name: value for name, value in STARTED_WITH.items() if is_of_cloud(name)
        }

    @property
    def writes(self) -> list[str]:
        pytest.skip("this server does not tell its requests")

    @property
    def names(self) -> list[str]:
        pages = obstore.list(self._client)
        return sorted(one["path"] for page in pages for one in page)

    @property
    def open_uploads(self) -> int:
        return 0  # as far as we can see

    @property
    def _client(self) -> Any:
        return obstore.store.from_url(self.url, client_options={"allow_http": True})


def is_of_cloud(name: str) -> bool:
    """Whether a variable belongs to a cloud."""
    return name.startswith(("AWS_", "AZURE_", "GOOGLE_"))


@cache
def _start() -> tuple[str, list[str]]:
    """The server of this process, which ends with it, and its requests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import moto.server as moto_server
        from werkzeug.serving import WSGIRequestHandler

    requests: list[str] = []

    def note(handler: WSGIRequestHandler, *_: object) -> None:
        requests.append(f"{handler.command} {handler.path}")

    pytest.MonkeyPatch().setattr(WSGIRequestHandler, "log_request", note)
    server = moto_server.ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}", requests


@pytest.fixture
def bucket(monkeypatch) -> Bucket:
    """An empty bucket, which this process and the shell can reach."""
    return _reachable(Bucket(*_start()), monkeypatch)


@pytest.fixture(
    params=["moto", "google", *(["other"] if OTHER in STARTED_WITH else [])]
)
def any_bucket(request, monkeypatch) -> Bucket:
    """As ``bucket``, on each kind of server."""
    if request.param == "moto":
        return _reachable(Bucket(*_start()), monkeypatch)
    if request.param == "google":
        return _reachable(GoogleBucket(), monkeypatch)
    return _reachable(OtherBucket(STARTED_WITH[OTHER]), monkeypatch)


@pytest.fixture
def google_bucket(monkeypatch) -> GoogleBucket:
    """As ``bucket``, on our stand-in for Google."""
    made = GoogleBucket()
    _reachable(made, monkeypatch)
    return made


def _reachable(made: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made
