"""What obstore raises → one message that says what to do next."""

import contextlib
import re
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import OutputError, PipelineError, UsageError

if TYPE_CHECKING:
    from pipeline.storage.bucket_url import BucketUrl

_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]{1,300})")
_ADDRESS = re.compile(r"https?://\S+")  # may contain anything, such as 403
_MOST_CHARACTERS = 200
_AGAIN = "then run again: nothing is lost"
_NO_CREDENTIALS = re.compile(r"//169\.254\.169\.254|//metadata\.google")


class _Trouble(NamedTuple):
    """A known trouble.

    Attributes:
        pattern: Found in the text of the error.
        hint: What to do, with ``{bucket}``, ``{credentials}`` and ``{endpoint}``.
        reason: What to say instead of the error's own words, or "".
    """

    pattern: str
    hint: str
    reason: str = ""


_TROUBLES = (
    _Trouble(
        r"NoSuchBucket|ContainerNotFound|bucket does not exist",
        "create the bucket '{bucket}', or correct its name in the URL of the store",
    ),
    _Trouble(
        r"incorrectly configured region",
        "set AWS_REGION to the region of the bucket '{bucket}'",
        "the bucket is in another region",
    ),
    _Trouble(
        r"AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint",
        "set AWS_REGION to the region of the bucket '{bucket}'",
    ),
    _Trouble(r"RequestTimeTooSkewed", f"set the clock of this machine, {_AGAIN}"),
    _Trouble(
        r"ExpiredToken|TokenRefreshRequired",
        "these credentials are of no use any more: log in again, and set {credentials}",
    ),
    _Trouble(
        r"BadDigest|ContentSHA256Mismatch|ChecksumMismatch|Md5Mismatch",
        f"the file was damaged on its way; check the network, {_AGAIN}",
    ),
    _Trouble(
        r"InsufficientStorage|QuotaExceeded|StorageFull",
        f"make room in the store, {_AGAIN}",
    ),
    _Trouble(
        r"path segment",
        "an object there has a name that no file can have: rename or remove it, or"
        " choose another prefix",
    ),
    _Trouble(r"SlowDown|ServerBusy|TooManyRequests", f"wait a minute, {_AGAIN}"),
    _Trouble(
        r"BadScheme",
        "write https:// in {endpoint}",
        "plain http is allowed to this machine alone",
    ),
    _Trouble(
        r"dns error|failed to lookup address",
        f"check {{endpoint}} and the network, {_AGAIN}",
        "no server of this name was found",
    ),
    _Trouble(
        r"ConnectionRefused|ConnectionReset",
        f"check {{endpoint}} and the network, {_AGAIN}",
        "the server takes no connection",
    ),
    _Trouble(
        r"Header missing from response|error decoding|invalid XML",
        "check {endpoint}: what answers there is no store",
    ),
    _Trouble(
        r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken"
        r"|AuthenticationFailed|AuthorizationFailure|\b40[13]\b|missing.*(key|account)"
        r"|Account must be specified|Invalid Access Key|credential error|pem file",
        "set {credentials}, of a user who may list, read, write and delete in"
        " '{bucket}'",
    ),
)
_NONE_FOUND = _Trouble("", "set {credentials}", "no credentials were found")
_UNKNOWN = _Trouble("", f"check the network and the endpoint, {_AGAIN}")


def obstore() -> ModuleType:
    """The library, which is an extra.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import obstore  # noqa: PLC0415 - an optional extra
        import obstore.exceptions  # noqa: PLC0415
        import obstore.store  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "a store in a bucket needs the extra 'stores'",
            hint="pip install 'scenario-pipeline[stores]'",
        ) from error
    return obstore


class bucket_errors(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a verb
    """Within the block, an error of obstore becomes an OutputError.

    A failed condition is left as it is, and so is a missing object that is read.

    Args:
        url: The bucket.
        what: What is being done, such as "write to".
        name: The object, or "".
    """

    def __init__(self, url: "BucketUrl", what: str, name: str = "") -> None:
        self._url = url
        self._what = what
        self._name = name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, PipelineError):
            return
        is_missing = isinstance(error, FileNotFoundError)
        if is_missing and self._what.startswith(("read", "delete")):
            return
        exceptions = obstore().exceptions
        if isinstance(
            error, (exceptions.AlreadyExistsError, exceptions.PreconditionError)
        ):
            return
        if isinstance(error, (exceptions.BaseError, OSError, ValueError)):
            text, url = str(error), self._url
            trouble = _find_trouble(text)
            raise OutputError(
                f"cannot {self._what} {url.of(self._name)}:"
                f" {trouble.reason or _reason(text)}",
                hint=trouble.hint.format(
                    bucket=url.bucket,
                    credentials=url.credentials,
                    endpoint=url.endpoint_variable,
                ),
            ) from error


def _find_trouble(text: str) -> _Trouble:
    if _NO_CREDENTIALS.search(text):
        return _NONE_FOUND
    said = _ADDRESS.sub("", text)
    found = (one for one in _TROUBLES if re.search(one.pattern, said, re.IGNORECASE))
    return next(found, _UNKNOWN)


def _reason(text: str) -> str:
    """The part of an error that a person can use; the rest names requests."""
    code, message = _CODE.search(text), _MESSAGE.search(text)
    if code:
        return f"{code[1]}" + (f" ({message[1].rstrip('.')})" if message else "")
    # The innermost cause comes last.
    told, _, _ = text.partition("\n\nDebug source:")
    last = " ".join(told.split()).rpartition(": ")[2]
    return last[:_MOST_CHARACTERS] or "no answer"
