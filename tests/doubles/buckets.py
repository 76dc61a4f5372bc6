"""A bucket on an S3 server of another project, which runs in this process."""

import itertools
import urllib.request
import warnings
from functools import cache
from typing import Any

import obstore
import obstore.store
import pytest

ACCESS_KEY = "AKIAcanaryOfOurTests"
SECRET_KEY = "canarySecretOfTheBucketInTests"
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
        made = urllib.request.Request(f"{endpoint}/{self.name}", method="PUT")
        with urllib.request.urlopen(made):
            pass
        self.forget()

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
    made = Bucket(*_start())
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made
