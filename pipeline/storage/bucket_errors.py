"""What obstore raises → one message that says what to do next."""

import contextlib
import re
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from pipeline.errors import OutputError, PipelineError, UsageError

if TYPE_CHECKING:
    from pipeline.storage.bucket_url import BucketUrl

_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]{1,300})")
_MOST_CHARACTERS = 200
_NO_BUCKET = re.compile(
    r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE
)
_REGION = re.compile(
    r"incorrectly configured region|AuthorizationHeaderMalformed|PermanentRedirect"
    r"|IllegalLocationConstraint",
    re.IGNORECASE,
)
_NO_CREDENTIALS = re.compile(
    r"169\.254\.169\.254|metadata\.google|instance metadata", re.IGNORECASE
)
_REFUSED = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken"
    r"|AuthenticationFailed|AuthorizationFailure|\b40[13]\b|missing.*(key|account)",
    re.IGNORECASE,
)


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
            text = str(error)
            raise OutputError(
                f"cannot {self._what} {self._url.of(self._name)}: {_reason(text)}",
                hint=self._hint(text),
            ) from error

    def _hint(self, text: str) -> str:
        url = self._url
        if _NO_BUCKET.search(text):
            return f"create the bucket '{url.bucket}', or correct its name in --store"
        if _REGION.search(text):
            return f"set AWS_REGION to the region of the bucket '{url.bucket}'"
        if _NO_CREDENTIALS.search(text):
            return f"no credentials were found: set {url.credentials}"
        if _REFUSED.search(text):
            return (
                f"set {url.credentials}, of a user who may list, read, write and"
                f" delete in '{url.bucket}'"
            )
        return "check the network and the endpoint, then run again: nothing is lost"


def _reason(text: str) -> str:
    """The part of an error that a person can use; the rest names requests."""
    code, message = _CODE.search(text), _MESSAGE.search(text)
    if code:
        return f"{code[1]}" + (f" ({message[1].rstrip('.')})" if message else "")
    if _REGION.search(text):
        return "the bucket is in another region"
    # The innermost cause comes last.
    told, _, _ = text.partition("\n\nDebug source:")
    last = " ".join(told.split()).rpartition(": ")[2]
    return last[:_MOST_CHARACTERS] or "no answer"
