"""The limits and timeouts of a run, and the credentials.

Environment, ``.env`` and keyring → :class:`Credentials`; options → :class:`Settings`.
Units are part of the names. Nothing here uses the network.
"""

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.redaction import SECRETS
from pipeline.storage.bucket_secrets import find_bucket_secrets
from pipeline.storage.regular_file import read_regular

DEFAULT_BASE_URL = "https://api.cloud.scenario.com/v1"
KEY_VARIABLE = "SCENARIO_SDK_API_KEY"
SECRET_VARIABLE = "SCENARIO_SDK_API_SECRET"  # noqa: S105 - the name, not a secret
BASE_URL_VARIABLE = "SCENARIO_BASE_URL"
PROJECT_VARIABLE = "SCENARIO_PROJECT_ID"
KEYRING_SERVICE = "scenario-pipeline"
_MAX_DOTENV_BYTES = 1 << 20
DEFAULT_RPM = 95  # of the 100 a minute that are documented for a project
EMULATOR_NAME = "emulator"  # instead of its base URL, whose port is always different


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials for one service. Key and secret are redacted from texts.

    Attributes:
        key: The API key.
        secret: Its secret; never shown.
        base_url: Without a trailing slash; plain http only to loopback.
        project_id: The project to send with every call, or "".
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    project_id: str = ""

    def __post_init__(self) -> None:
        SECRETS.learn(self.key)
        SECRETS.learn_login(self.key, self.secret)

    @property
    def is_loopback(self) -> bool:
        """Whether the service runs on this machine."""
        return is_loopback_url(self.base_url)

    @property
    def key_digest(self) -> str:
        """A digest that distinguishes API keys, and reveals nothing else about them."""
        text = f"scenario-pipeline {self.base_url} {self.key}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service that a ledger is bound to.

    Attributes:
        base_url: The base URL of the API, or ``EMULATOR_NAME``.
        project_id: The project that the user named, or "".
    """

    base_url: str
    project_id: str = ""

    @property
    def is_emulated(self) -> bool:
        """Whether this is the emulator that a command starts itself."""
        return self.base_url == EMULATOR_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and timeouts of one run; the defaults suit the real service.

    Attributes:
        max_jobs: The user's limit on jobs in flight, or None.
        first_jobs: The initial limit on jobs in flight while the ceiling is unknown.
        rpm: API requests per minute, of all kinds, and including other processes that
            use the project. 0 for no limit. None for ``DEFAULT_RPM``, or for no limit
            if the service is on this machine.
        submit_timeout_s: From the first byte of a submit to its complete answer.
        read_timeout_s: The same for free calls.
        connect_timeout_s: To open a TCP and TLS connection.
        job_timeout_s: How long a submitted job is watched before it counts as failed.
        deadline_s: From the start of the run until submitting stops, or None; jobs in
            flight are still collected.
        fail_count: Failed items after which submitting stops, or None.
        fail_share: The same as a share of all items of the run, 0 to 1, or None.
        free_deadline_s: How long a free call is retried before its job fails.
        first_contact_s: How long to try an API that has not answered in this run yet.
        model_deadline_s: How long to try to read a model before the cached or shipped
            record is used.
        settle_s: From the loss of a submit's answer until the absence of its job
            counts.
        output_s: How long to wait for the assets of a job that has succeeded.
        fresh_job_s: How long a 404 for a job of ours, or for one of its assets, counts
            as a delay.
        downloads: Concurrent downloads of assets.
        download_bytes: Total bytes of concurrent downloads: many small assets, or few
            large ones, but at least four.
        hurried_download_s: How long a download may still take once the run stops.
        uploads: Concurrent uploads of reference assets.
        posts: Submits that may be unanswered at a time.
        first_posts: The same at the start: at most so many are refused when the
            service begins to cool down.
        max_pause_s: The longest pause to wait for when the service asks for one; a
            longer one stops submitting.
        ahead: Items prepared beyond those that hold a slot.
        undelivered: Submitted jobs whose assets are not saved yet, including those in
            flight; bounds memory when downloads are slow.
        poll_fraction: The length of a poll tick as a share of a typical job's duration.
        poll_min_s: The shortest poll tick.
        poll_max_s: The longest poll tick.
        poll_max_limited_s: The longest poll tick while the request rate is limited.
        max_cost: Compute units that all jobs of the ledger may cost together, less
            refunds, or None.
        strict: Stop when the service drops or changes an input.
        frozen: Pay for nothing.
        keep_old: Keep a replaced file under another name.
        lock_file: Write the lock file beside the manifest when the run has ended.
        unchecked: Submit even if the inputs of a model are unknown.
        allow_unpriced: Submit even if the service quotes a price of 0, or none.
        executor: Where files are downloaded and processed: ``processes:4``,
            ``dask:local`` or ``dask:tcp://host:8786``; "" for this process.
    """

    max_jobs: int | None = None
    first_jobs: int = 8
    rpm: int | None = None
    submit_timeout_s: float = 60.0
    read_timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    job_timeout_s: float = 1800.0
    deadline_s: float | None = None
    fail_count: int | None = None
    fail_share: float | None = None
    free_deadline_s: float = 600.0
    first_contact_s: float = 30.0
    model_deadline_s: float = 5.0
    settle_s: float = 90.0
    output_s: float = 180.0
    fresh_job_s: float = 120.0
    downloads: int = 64
    download_bytes: int = 64 << 20
    hurried_download_s: float = 120.0
    uploads: int = 4
    posts: int = 8
    first_posts: int = 2
    max_pause_s: float = 3600.0
    ahead: int = 64
    undelivered: int = 2000
    poll_fraction: float = 0.05
    poll_min_s: float = 0.25
    poll_max_s: float = 5.0
    poll_max_limited_s: float = 20.0
    max_cost: Decimal | None = None
    strict: bool = False
    frozen: bool = False
    keep_old: bool = False
    lock_file: bool = True
    unchecked: bool = False
    allow_unpriced: bool = False
    executor: str = ""

    def requests_per_minute(self, *, is_loopback: bool) -> int | None:
        """The limit on requests to a service per minute, or None for no limit."""
        if self.rpm is None:
            return None if is_loopback else DEFAULT_RPM
        return self.rpm or None


def find_credentials(
    environment: Mapping[str, str],
    dotenv: Mapping[str, str],
    load_keyring: Callable[[], Mapping[str, str]] = dict,
) -> Credentials:
    """Find the credentials, with base URL and project from the same place.

    The base URL and the project are read only from the place that has the key, so that
    a foreign ``.env`` cannot send a real key to its own server.

    Args:
        environment: The process environment.
        dotenv: The parsed ``.env`` of the current folder; may be empty.
        load_keyring: Called if neither of them has a credential.

    Raises:
        UsageError: Credentials are missing or invalid, or the base URL is not safe.
    """
    learn_secrets(environment, dotenv)
    place = next(
        (place for place in (environment, dotenv) if names_any_credential(place)), None
    )
    if place is None:
        place = load_keyring()
        learn_secrets(place)
    key, secret = place.get(KEY_VARIABLE, ""), place.get(SECRET_VARIABLE, "")
    if not key or not secret:
        missing = " and ".join(
            name
            for name, value in ((KEY_VARIABLE, key), (SECRET_VARIABLE, secret))
            if not value
        )
        raise MissingCredentials(
            f"no credentials: {missing} not set",
            hint="set them in the environment or in .env, or try --emulate",
        )
    if not (key + secret).isascii() or ":" in key or not (key + secret).isprintable():
        raise UsageError(
            f"{KEY_VARIABLE} or {SECRET_VARIABLE} contains invalid characters",
            hint="copy them again from the Scenario web app",
        )
    for name in (PROJECT_VARIABLE, BASE_URL_VARIABLE):
        if not is_utf8(place.get(name, "")):
            raise UsageError(f"{name} contains bytes that are not UTF-8")
    return Credentials(
        key=key,
        secret=secret,
        base_url=check_base_url(place.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL),
        project_id=place.get(PROJECT_VARIABLE, ""),
    )


def is_utf8(text: str) -> bool:
    """Whether a text of the environment or the command line was UTF-8 to begin with."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def learn_secrets(*places: Mapping[str, str]) -> None:
    """Redact the secrets of each place from texts, whichever is used."""
    for place in places:
        SECRETS.learn(*find_bucket_secrets(place))
        key, secret = place.get(KEY_VARIABLE, ""), place.get(SECRET_VARIABLE, "")
        SECRETS.learn(key)
        SECRETS.learn_login(key, secret)


class MissingCredentials(UsageError):
    """No credentials were found."""

    exit_code = UsageError.exit_code.ACCESS


def check_base_url(text: str) -> str:
    """The URL without a trailing slash.

    Raises:
        UsageError: The text is not an http(s) URL, or plain http to another machine.
    """
    url = text.strip().rstrip("/")
    if "@" in url:
        raise UsageError(f"{BASE_URL_VARIABLE} must not contain credentials")
    not_a_url = UsageError(f"{BASE_URL_VARIABLE} is not an http(s) URL: {text!r}")
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if the port is not a number
    except ValueError:
        raise not_a_url from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise not_a_url
    if parts.query or parts.fragment:
        raise not_a_url
    if parts.scheme == "http" and not is_loopback_url(url):
        raise UsageError(
            f"{BASE_URL_VARIABLE} would send the key unencrypted to {parts.hostname}",
            hint="use https; plain http is allowed only to this machine",
        )
    return url


def is_loopback_url(url: str) -> bool:
    """Whether the URL's host is this machine: ``localhost``, 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load_dotenv(folder: Path) -> dict[str, str]:
    """The variables in ``folder/.env``; empty if there is no such file.

    Raises:
        UsageError: The file cannot be read, or is not UTF-8 text.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - keeps --help fast

    path = folder / ".env"
    try:
        text = _decode(read_regular(path, limit_bytes=_MAX_DOTENV_BYTES))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except PermissionError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}",
            hint="make it readable, or set the credentials in the environment",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="make it a text file with lines such as NAME=value, or move it away",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} cannot be read: it is not UTF-8 text",
            hint="save it as UTF-8, with lines such as NAME=value, or move it away",
        ) from error
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _decode(content: bytes) -> str:
    """The text of a file; a NUL means UTF-16 without a mark, which may decode."""
    text = content.decode("utf-8-sig")
    at = content.find(0)
    if at >= 0:
        raise UnicodeDecodeError("utf-8", content, at, at + 1, "a NUL")
    return text


def load_keyring() -> dict[str, str]:
    """Key and secret from the system's keyring, if the extra is installed.

    Store them with ``keyring set scenario-pipeline SCENARIO_SDK_API_KEY``, and the same
    for the secret.

    Raises:
        MissingCredentials: The configured keyring cannot be used.
    """
    if find_spec("keyring") is None:
        return {}
    try:
        import keyring  # noqa: PLC0415 - an optional extra, that loads its backend

        found = {
            name: keyring.get_password(KEYRING_SERVICE, name)
            for name in (KEY_VARIABLE, SECRET_VARIABLE)
        }
    except Exception as error:  # third-party backends raise anything
        if type(error).__name__ == "NoKeyringError":
            return {}
        raise MissingCredentials(
            f"no credentials: the keyring cannot be used: {error}",
            hint="set them in the environment or in .env, or fix the keyring's"
            " configuration, such as PYTHON_KEYRING_BACKEND",
        ) from error
    return {name: value for name, value in found.items() if value}


def names_any_credential(place: Mapping[str, str]) -> bool:
    """Whether the credentials are taken from this place."""
    return bool(place.get(KEY_VARIABLE) or place.get(SECRET_VARIABLE))


def expand_home(path: str) -> Path:
    """The path with a leading ``~`` or ``~user`` replaced by the home folder.

    Raises:
        UsageError: The home folder is not known.
    """
    if not path.startswith("~"):
        return Path(path)
    try:
        expanded = Path(path).expanduser()
        is_empty = Path(path).parts[0] == "~" and os.environ.get("HOME") == ""
        # With an empty HOME, ``~`` would become the root.
        found = expanded.is_absolute() and not is_empty
    except RuntimeError:
        found = False
    if not found:
        raise UsageError(
            f"the home folder in {path} is not known",
            hint="write the path in full, or ./~ for a folder of that name",
        )
    return expanded


def user_folder(chosen: str | None, find: Callable[[], Path]) -> Path | None:
    """One of the user's folders, or None if it cannot be found.

    Args:
        chosen: The value of an environment variable; may be empty.
        find: Finds the folder otherwise; may raise if there is no home folder.
    """
    try:
        folder = expand_home(chosen) if chosen else find()
    except (UsageError, RuntimeError, KeyError):
        return None
    return folder if chosen or folder.is_absolute() else None
