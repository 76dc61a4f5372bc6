"""The URL of a bucket → what is needed to reach it. Pure, but for the environment.

Credentials are found by obstore, in the usual variables of each cloud.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import OutputError, UsageError
from pipeline.record import Struct, field

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (of a profile:"
    ' eval "$(aws configure export-credentials --format env)")',
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, the file of a service account",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")


class BucketUrl(Struct, frozen=True, kw_only=True):
    """The URL of a bucket, or of a part of one.

    Attributes:
        scheme: ``s3``, ``gs`` or ``az``.
        bucket: The bucket, or container.
        prefix: Where our files are in it, without a slash at either end; may be "".
        config: For obstore.
        client_options: For obstore.
    """

    scheme: str
    bucket: str
    prefix: str
    config: Mapping[str, Any] = field(default_factory=dict)
    client_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """The URL, without a slash at its end."""
        return f"{self.scheme}://{self.bucket}" + (
            f"/{self.prefix}" if self.prefix else ""
        )

    @property
    def needs_versions(self) -> bool:
        """Whether conditions name the version of an object, not its tag."""
        return self.scheme == "gs"

    @property
    def credentials(self) -> str:
        """The variables that hold credentials."""
        return _CREDENTIALS[self.scheme]

    @property
    def endpoint_variable(self) -> str:
        """The variable that names another server than that of the cloud."""
        return _ENDPOINTS[self.scheme][0]

    def shares_bucket(self, other: "BucketUrl") -> bool:
        """Whether both are parts of one bucket."""
        return (self.scheme, self.bucket) == (other.scheme, other.bucket)

    def key_of(self, name: str) -> str:
        """The name of an object in the whole bucket."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def of(self, name: str) -> str:
        """The URL of an object."""
        return f"{self.location}/{name}" if name else self.location

    def ignores_conditions(self) -> OutputError:
        """The error for a server that does not know conditional writes."""
        return OutputError(
            f"{self.location} ignores conditional writes: two runs could overwrite"
            " each other's files",
            hint="use a server that knows If-None-Match, or choose another --store",
        )


def parse_store_url(url: str, environment: Mapping[str, str]) -> "BucketUrl | Path":
    """Read the URL of a store: a bucket, or the path of a folder.

    Args:
        url: Such as ``s3://bucket/prefix`` or ``file:///mnt/art``.
        environment: With the endpoints.

    Raises:
        UsageError: It is not one.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        return parse_bucket_url(url, environment)
    from urllib.request import url2pathname  # noqa: PLC0415 - for this alone, 10 ms

    folder = Path(url2pathname(parts.path))
    if parts.netloc not in {"", "localhost"} or not folder.is_absolute():
        raise UsageError(
            f"'{url[:200]}' does not name a folder in full",
            hint="write it with three slashes: file:///folder",
        )
    return folder


def parse_bucket_url(url: str, environment: Mapping[str, str]) -> BucketUrl:
    """Read the URL of a bucket.

    Args:
        url: Such as ``s3://bucket/prefix``.
        environment: With the endpoints.

    Raises:
        UsageError: It is not one.
    """
    parts = urlsplit(url)
    example = "write it as s3://bucket/prefix, gs://…, az://… or file:///folder"
    if parts.scheme not in _ENDPOINTS:
        raise UsageError(f"'{url[:200]}' is not the URL of a store", hint=example)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(
            f"the URL of a store has only a bucket and a prefix: {parts.scheme}://…",
            hint=f"set credentials in the environment; {example}",
        )
    names = [part for part in parts.path.split("/") if part]
    if not _BUCKET.fullmatch(parts.netloc) or {".", ".."} & set(names):
        raise UsageError(f"'{url[:200]}' does not name a bucket", hint=example)
    return BucketUrl(
        scheme=parts.scheme,
        bucket=parts.netloc,
        prefix="/".join(names),
        config=_config_of(parts.scheme),
        client_options=_client_options_of(parts.scheme, environment),
    )


def _config_of(scheme: str) -> dict[str, Any]:
    if scheme != "s3":
        return {}
    # The server compares the SHA-256 of what it receives.
    return {"checksum_algorithm": "SHA256", "copy_if_not_exists": "multipart"}


def _client_options_of(scheme: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Plain HTTP is allowed to this machine alone, such as to a test server."""
    for name in _ENDPOINTS[scheme]:
        endpoint = urlsplit(environment.get(name, ""))
        if endpoint.scheme == "http" and _is_loopback(endpoint.hostname or ""):
            return {"allow_http": True}
    return {}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
