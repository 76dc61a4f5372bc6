"""Every limit, timeout and path of a run, and the credentials.

Environment and ``.env`` → :class:`Credentials`; options → :class:`Settings`. Units
are in the names. Nothing here touches the network.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.redaction import SECRETS
from pipeline.storage.regular_file import read_regular

DEFAULT_BASE_URL = "https://api.cloud.scenario.com/v1"
KEY_VARIABLE = "SCENARIO_SDK_API_KEY"
SECRET_VARIABLE = "SCENARIO_SDK_API_SECRET"  # noqa: S105 - the name, not a secret
BASE_URL_VARIABLE = "SCENARIO_BASE_URL"
PROJECT_VARIABLE = "SCENARIO_PROJECT_ID"
KEYRING_SERVICE = "scenario-pipeline"
_MAX_DOTENV_BYTES = 1 << 20
DEFAULT_RPM = 95  # of the 100 a minute that are documented for a project
EMULATOR_NAME = "emulator"  # stands for its base URL, whose port changes every time


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to which service. What one holds is known as a secret from then on.

    Attributes:
        key: The API key.
        secret: Its secret; never shown.
        base_url: Without a trailing slash; plain http only to loopback.
        project_id: Sent with every call when known, or "".
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
        """Tells one API key from another, and tells nothing else of it."""
        text = f"scenario-pipeline {self.base_url} {self.key}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which service a ledger is bound to.

    Attributes:
        base_url: Of the API, or ``EMULATOR_NAME``.
        project_id: Or "".
    """

    base_url: str
    project_id: str = ""

    @property
    def is_emulated(self) -> bool:
        """Whether it is the emulator that a command starts itself."""
        return self.base_url == EMULATOR_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and timeouts of one run; the defaults suit the real service.

    Attributes:
        max_jobs: The user's own ceiling on jobs in flight, or None.
        first_jobs: Jobs in flight to begin with while the ceiling is unknown.
        rpm: Requests to the API a minute, all kinds together and those of the other
            processes of the project included; 0 for no limit; None for
            ``DEFAULT_RPM``, or for no limit where the service is on this machine.
        submit_timeout_s: From the first byte of a submit to its whole answer.
        read_timeout_s: The same for free calls.
        connect_timeout_s: To a TCP and TLS connection.
        job_timeout_s: From our first look at a submitted job to giving up on it.
        deadline_s: From the start of the run until nothing more is submitted, or
            None; what is in flight is still collected.
        fail_count: Failed items after which nothing more is submitted, or None.
        fail_share: The same as a part of all items of the run, 0 to 1, or None.
        free_deadline_s: How long a free call is retried before its job fails.
        first_contact_s: How long an API that never answered in this run is tried.
        model_deadline_s: How long a model's record is asked for before what is known
            of it is used.
        settle_s: From the loss of a submit's answer until absence counts.
        output_s: How long the assets of a job that has succeeded are waited for.
        fresh_job_s: How long a 404 on a job we made is taken as a delay.
        downloads: Assets downloaded at a time.
        download_bytes: Bytes of the assets downloaded at a time: small ones go many
            at once, large ones few, at least four.
        hurried_download_s: What a download still gets once the run is to stop.
        uploads: Reference assets uploaded at a time.
        posts: Submits that may be unanswered at a time.
        first_posts: The same to begin with: so many are refused at most when the
            service begins to cool down.
        max_pause_s: The longest pause of the service's that is waited for; a longer
            one ends the submitting.
        ahead: Items prepared beyond those that hold a slot.
        undelivered: Submitted jobs whose assets are not saved yet, in flight ones
            included; bounds memory when downloads are slow.
        poll_fraction: Length of a poll tick as a part of a typical job's duration.
        poll_min_s: Shortest poll tick.
        poll_max_s: Longest poll tick.
        poll_max_limited_s: The same where requests are limited.
        max_cost: Compute units that all jobs of the ledger may cost together, refunds
            taken off, or None.
        strict: Stop when the service drops or changes an input.
        frozen: Pay for nothing.
        keep_old: Keep a file that a new one takes the place of, under another name.
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

    def requests_per_minute(self, *, is_loopback: bool) -> int | None:
        """The limit on requests to a service, or None for no limit."""
        if self.rpm is None:
            return None if is_loopback else DEFAULT_RPM
        return self.rpm or None


def find_credentials(
    environment: Mapping[str, str],
    dotenv: Mapping[str, str],
    load_keyring: Callable[[], Mapping[str, str]] = dict,
) -> Credentials:
    """Take the credentials, and what belongs to them, from one place.

    The base URL and the project count only from the place that gave the key, so
    that a stranger's ``.env`` cannot draw a real key to its server.

    Args:
        environment: The process environment.
        dotenv: The parsed ``.env`` of the current folder; may be empty.
        load_keyring: Asked when neither of them names a credential.

    Raises:
        UsageError: No credentials, half of them, or a base URL that is not safe.
    """
    learn_secrets(environment, dotenv)
    place = next(
        (place for place in (environment, dotenv) if _names_any_credential(place)), None
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
            f"{KEY_VARIABLE} or {SECRET_VARIABLE} holds characters no key has",
            hint="copy them again from the Scenario web app",
        )
    for name in (PROJECT_VARIABLE, BASE_URL_VARIABLE):
        if not is_utf8(place.get(name, "")):
            raise UsageError(f"{name} holds bytes that are not UTF-8")
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
    """Have key and secret of each place kept out of texts, whichever is used."""
    for place in places:
        key, secret = place.get(KEY_VARIABLE, ""), place.get(SECRET_VARIABLE, "")
        SECRETS.learn(key)
        SECRETS.learn_login(key, secret)


class MissingCredentials(UsageError):
    """No credentials were found."""

    exit_code = UsageError.exit_code.ACCESS


def check_base_url(text: str) -> str:
    """The URL without a trailing slash.

    Raises:
        UsageError: No http(s) URL, or plain http to another machine.
    """
    url = text.strip().rstrip("/")
    if "@" in url:
        raise UsageError(f"{BASE_URL_VARIABLE} must not hold credentials")
    no_url = UsageError(f"{BASE_URL_VARIABLE} is no http(s) URL: {text!r}")
    try:
        parts = urlsplit(url)
        _ = parts.port  # looks at it, and raises where it is none
    except ValueError:
        raise no_url from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise no_url
    if parts.query or parts.fragment:
        raise no_url
    if parts.scheme == "http" and not is_loopback_url(url):
        raise UsageError(
            f"{BASE_URL_VARIABLE} would send the key unencrypted to {parts.hostname}",
            hint="use https; plain http is for this machine only",
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
    """The variables of ``folder/.env``; empty when there is no such file.

    Raises:
        UsageError: It is no file of text.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - keeps --help fast

    path = folder / ".env"
    try:
        text = read_regular(path, limit_bytes=_MAX_DOTENV_BYTES).decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"{path} cannot be read: {reason}",
            hint="make it a file of lines such as NAME=value, or move it away",
        ) from error
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def load_keyring() -> dict[str, str]:
    """Key and secret from the system's keyring, where the extra is installed.

    They are stored by ``keyring set scenario-pipeline SCENARIO_SDK_API_KEY`` and the
    same for the secret.
    """
    try:
        import keyring  # noqa: PLC0415 - an optional extra
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        return {}
    try:
        found = {
            name: keyring.get_password(KEYRING_SERVICE, name)
            for name in (KEY_VARIABLE, SECRET_VARIABLE)
        }
    except KeyringError:
        return {}
    return {name: value for name, value in found.items() if value}


def _names_any_credential(place: Mapping[str, str]) -> bool:
    return bool(place.get(KEY_VARIABLE) or place.get(SECRET_VARIABLE))
