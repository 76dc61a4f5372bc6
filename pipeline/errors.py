"""Every exception of the package. The branch says what stops.

::

    PipelineError
    ├── InputError                nothing has started; a person must edit something
    │   ├── UsageError            options or environment that cannot be obeyed
    │   │   └── LockError         the lock file cannot be read
    │   ├── ManifestError         every fault of the manifest at once
    │   └── PlanMoved             what was agreed to is no longer what would be done
    ├── JobError                  this job stops, the run goes on
    │   ├── Rejected              the service refused the request: 400, 404, 413, 422
    │   ├── GenerationFailed      the service tried and failed
    │   ├── GenerationTimedOut    no end within the job's deadline
    │   ├── OutcomeUnknown        a submit that may have been paid for
    │   ├── DownloadFailed        no whole, right file within the deadline
    │   ├── UnexpectedAnswer      an answer we cannot read
    │   └── Unavailable           connection, timeout, 5xx: worth another try
    │       └── RateLimited       429
    └── RunError                  the whole run stops, the ledger is intact
        ├── AccessDenied          401, 403: credentials, scope or plan
        ├── BudgetReached         402, or a limit of the user's
        ├── ServiceUnreachable    no connection for minutes
        ├── CoolingDown           it takes no submits for longer than is waited for
        ├── LedgerError           damaged, newer, or bound to another service
        │   ├── LedgerDamaged     its file cannot be read
        │   └── LedgerBusy        another run holds it
        └── OutputError           disk full, folder not writable

An exception carries facts as attributes; ``str()`` builds the sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pipeline.redaction import SECRETS


class ExitCode(IntEnum):
    """What the process says when it ends; see ``docs/reference/exit-codes.md``."""

    OK = 0
    BUG = 1
    USAGE = 2
    ITEMS_FAILED = 3
    BUDGET = 4
    UNKNOWN_OUTCOME = 5
    ACCESS = 6
    LEDGER_BUSY = 7
    PLAN_MOVED = 8
    LEFT_IN_FLIGHT = 9
    CHANGES_PENDING = 10
    STORAGE = 11
    UNREACHABLE = 12
    INTERRUPTED = 130


# Where several hold, the first of these is the exit code of the process.
PRECEDENCE = (
    ExitCode.BUG,
    ExitCode.STORAGE,
    ExitCode.ACCESS,
    ExitCode.UNREACHABLE,
    ExitCode.BUDGET,
    ExitCode.LEFT_IN_FLIGHT,
    ExitCode.UNKNOWN_OUTCOME,
    ExitCode.ITEMS_FAILED,
)


class PipelineError(Exception):
    """Base of every error that is not a bug. Its texts hold no known secret.

    Args:
        message: What happened and where; the class's docstring when empty.
        hint: The next step for a person, one sentence; may be empty.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        said = message or (type(self).__doc__ or "").split("\n")[0]
        super().__init__(SECRETS.clean(said))
        self.hint = SECRETS.clean(hint)

    @property
    def message(self) -> str:
        """The sentence without the hint."""
        return str(self.args[0])


# --- nothing has started ------------------------------------------------------


class InputError(PipelineError):
    """Something a person wrote has to change before anything starts."""

    exit_code = ExitCode.USAGE


class UsageError(InputError):
    """Options or environment that cannot be obeyed."""


class LockError(UsageError):
    """The lock file cannot be read; the message names its line."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One thing that is wrong in a file a person wrote.

    Attributes:
        file: The path as the user gave it.
        line: From 1.
        column: From 1, in characters.
        message: What is wrong, one sentence without a full stop.
        hint: What to do about it; may be empty.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}; {self.hint}" if self.hint else text


class ManifestError(InputError):
    """The manifest has faults.

    Attributes:
        faults: At least one, in the order of file, line and column.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class PlanMoved(InputError):
    """What was agreed to is no longer what would be done: a saved plan, or nothing."""

    exit_code = ExitCode.PLAN_MOVED


# --- one job stops ------------------------------------------------------------


class JobError(PipelineError):
    """One job stops; the others go on.

    Attributes:
        trace_id: The service's own id of the exchange, for its support; or "".
    """

    exit_code = ExitCode.ITEMS_FAILED

    def __init__(
        self, message: str = "", *, hint: str = "", trace_id: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.trace_id = trace_id


class Rejected(JobError):
    """The service refused the request and charged nothing.

    Attributes:
        status: The HTTP status: 400, 404, 413 or 422.
    """

    def __init__(
        self, message: str = "", *, status: int, hint: str = "", trace_id: str = ""
    ) -> None:
        super().__init__(message, hint=hint, trace_id=trace_id)
        self.status = status


class GenerationFailed(JobError):
    """The service tried to make the asset and failed."""


class GenerationTimedOut(JobError):
    """The job did not end within its deadline; it may still end later.

    Attributes:
        waited_s: Seconds since it was submitted.
        last_status: The service's last word on it, or "".
    """

    def __init__(self, message: str = "", *, waited_s: float, last_status: str) -> None:
        super().__init__(message)
        self.waited_s = waited_s
        self.last_status = last_status


class OutcomeUnknown(JobError):
    """The submit may or may not have been accepted and paid for."""

    exit_code = ExitCode.UNKNOWN_OUTCOME


class DownloadFailed(JobError):
    """The asset could not be fetched whole before the deadline."""


class UnexpectedAnswer(JobError):
    """The service answered something that cannot be read."""


class Unavailable(JobError):
    """The service could not be reached or could not answer; worth another try.

    Attributes:
        status: The HTTP status, or 0 when there was no answer.
        retry_after_s: What the service asked to wait, or 0.
        request_left: False when it is proved that no byte of the request left.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        retry_after_s: float = 0.0,
        request_left: bool = True,
        hint: str = "",
        trace_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint, trace_id=trace_id)
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_left = request_left


class RateLimited(Unavailable):
    """The service refused for now (429); nothing was accepted or billed.

    Attributes:
        ceiling: How many jobs the service allows at once, where it said so.
        in_flight: How many it counts, other people's included, where it said so.
        scope: Whose these are, such as ``team``, or "".
        is_about_requests: Whether it was asked too often, whatever was asked for.
    """

    def __init__(
        self,
        message: str = "",
        *,
        ceiling: int | None = None,
        in_flight: int | None = None,
        scope: str = "",
        retry_after_s: float = 0.0,
        is_about_requests: bool = False,
        request_left: bool = True,
        trace_id: str = "",
    ) -> None:
        super().__init__(
            message,
            status=429,
            retry_after_s=retry_after_s,
            request_left=request_left,
            trace_id=trace_id,
        )
        self.ceiling = ceiling
        self.in_flight = in_flight
        self.scope = scope
        self.is_about_requests = is_about_requests


# --- the whole run stops ------------------------------------------------------


class RunError(PipelineError):
    """The whole run stops; the ledger is intact."""


class AccessDenied(RunError):
    """The credentials, their scope or the team's plan do not allow this.

    Attributes:
        status: 401 or 403.
        model_id: The only model it concerns, or "" when it concerns all.
    """

    exit_code = ExitCode.ACCESS

    def __init__(
        self, message: str = "", *, hint: str = "", status: int = 0, model_id: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.model_id = model_id


class BudgetReached(RunError):
    """The team's credit or the user's limit is used up."""

    exit_code = ExitCode.BUDGET


class ServiceUnreachable(RunError):
    """The service cannot be reached."""

    exit_code = ExitCode.UNREACHABLE


class CoolingDown(RunError):
    """The service takes no submits for longer than the user waits."""

    exit_code = ExitCode.UNREACHABLE


class LedgerError(RunError):
    """The ledger cannot be used."""

    exit_code = ExitCode.STORAGE


class LedgerDamaged(LedgerError):
    """The file of the ledger cannot be read, or not all of it."""


class LedgerBusy(LedgerError):
    """Another run holds the ledger of this output folder."""

    exit_code = ExitCode.LEDGER_BUSY


class OutputError(RunError):
    """The output folder cannot be written."""

    exit_code = ExitCode.STORAGE
