"""The package's tree of exceptions. The branch says what stops.

::

    PipelineError
    ├── InputError                nothing has started; the user must change something
    │   ├── UsageError            invalid options or environment
    │   │   └── LockError         the lock file cannot be read
    │   ├── ManifestError         all faults of the manifest
    │   └── PlanMoved             the plan differs from the approved one
    ├── JobError                  this job stops, the run goes on
    │   ├── Rejected              the service refused the request: 400, 404, 413, 422
    │   ├── GenerationFailed      the service tried and failed
    │   ├── GenerationTimedOut    the job did not end within its deadline
    │   ├── OutcomeUnknown        a submit that may have been paid for
    │   ├── DownloadFailed        no complete, correct file within the deadline
    │   ├── UnexpectedAnswer      an answer we cannot read
    │   └── Unavailable           connection, timeout, 5xx: worth another try
    │       └── RateLimited       429
    └── RunError                  the whole run stops, the ledger is intact
        ├── AccessDenied          401, 403: credentials, scope or plan
        ├── BudgetReached         402, or the user's own limit
        ├── ServiceUnreachable    no connection for minutes
        ├── CoolingDown           the service's pause is longer than the user waits
        ├── LedgerError           damaged, newer, or locked by another program
        │   ├── LedgerDamaged     its file cannot be read
        │   └── LedgerBusy        another run holds it
        └── OutputError           disk full, folder not writable

Further subclasses live beside the code that they concern:

- ``settings.MissingCredentials`` (a UsageError)
- ``stages.uploader.ReferenceChanged``, ``stages.poller.JobLost`` and
  ``stages.poller.JobClaimed`` (JobErrors)
- ``api.interface.UrlExpired`` (a JobError), ``api.interface.NoPrice`` (a Rejected),
  ``api.interface.UnexpectedJob`` (a BudgetReached)
- ``api.cdn.ForeignHost``, ``assets.least_rate.BrokenFile`` (Unavailable)
- ``assets.least_rate.OutOfTime``, ``assets.fetching.TooLarge``,
  ``storage.store.NameTaken`` (DownloadFailed)
- ``running.failure.NoOutput`` (a GenerationFailed)
- ``cli.console.streams.ResultLost`` (an OutputError)

Exceptions that are not PipelineErrors, such as ``running.stopping.NotSubmitted``, never
leave the package, or are bugs.

An exception's message and hint are sentences for the user; attributes carry the facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pipeline.redaction import SECRETS


class ExitCode(IntEnum):
    """The exit codes of the process; see ``docs/reference/exit-codes.md``."""

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
    FREE_WORK_PENDING = 13
    INTERRUPTED = 130


# If several exit codes apply, the process exits with the first of these.
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
    """The base of every error that is not a bug. Known secrets are redacted.

    Args:
        message: What happened and where. If empty, the first line of the class's
            docstring.
        hint: The next step for the user, one sentence; may be empty.

    Attributes:
        exit_code: The exit code that the error leads to.
        hint: As given, without secrets.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        text = message or (type(self).__doc__ or "").split("\n")[0]
        super().__init__(SECRETS.clean(text))
        self.hint = SECRETS.clean(hint)

    @property
    def message(self) -> str:
        """The message without the hint."""
        return str(self.args[0])


# --- nothing has started ------------------------------------------------------


class InputError(PipelineError):
    """The user has to change something before anything starts."""

    exit_code = ExitCode.USAGE


class UsageError(InputError):
    """The options or the environment are invalid."""


class LockError(UsageError):
    """The lock file cannot be read; the message names its line."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One fault in a file that the user wrote.

    Attributes:
        file: The path as the user gave it.
        line: The line, from 1. Of an Excel file: the row, or 0 for the whole file.
        column: The column in characters, from 1. Of an Excel file: the column.
        message: What is wrong, one sentence without a full stop.
        hint: What to do about it; may be empty.
        key: Of a manifest that is not a file: the key, such as ``items[0].prompt``.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    key: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        if self.key:
            where = f"{self.file} {self.key}"
        if self.file.lower().endswith(".xlsx"):
            cell = f": cell {_cell_name(self.line, self.column)}" if self.line else ""
            where = self.file + cell
        text = f"{where}: {self.message}"
        return f"{text}; {self.hint}" if self.hint else text


def _cell_name(row: int, column: int) -> str:
    """The name of a cell in a spreadsheet: row 3, column 2 is ``B3``."""
    letters = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row}"


class ManifestError(InputError):
    """The manifest has faults.

    Attributes:
        faults: At least one, sorted by file, line and column.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class PlanMoved(InputError):
    """The plan differs from what was approved: a saved plan, or no payment."""

    exit_code = ExitCode.PLAN_MOVED


# --- one job stops ------------------------------------------------------------


class JobError(PipelineError):
    """One job stops; the others go on.

    Attributes:
        trace_id: The service's id of the exchange, for its support team; or "".
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
        waited_s: Seconds that the job was waited for.
        last_status: The last status that the service reported, or "".
    """

    def __init__(self, message: str = "", *, waited_s: float, last_status: str) -> None:
        super().__init__(message)
        self.waited_s = waited_s
        self.last_status = last_status


class OutcomeUnknown(JobError):
    """The submit may or may not have been accepted and paid for."""

    exit_code = ExitCode.UNKNOWN_OUTCOME


class DownloadFailed(JobError):
    """The asset could not be downloaded completely before the deadline."""


class UnexpectedAnswer(JobError):
    """The service's answer could not be read."""


class Unavailable(JobError):
    """The service could not be reached or could not answer; worth another try.

    Attributes:
        status: The HTTP status, or 0 if there was no answer.
        retry_after_s: Seconds that the service asked to wait, or 0.
        request_left: False if it is certain that no byte of the request was sent.
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
        ceiling: How many jobs the service allows at once, or None if it did not say.
        in_flight: How many it counts, including those of other clients, or None.
        scope: To whom the ceiling applies, such as ``team``, or "".
        is_about_requests: Whether the limit concerns the rate of requests, not the
            number of jobs.
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
        status: 401 or 403; 0 if the error is not from an HTTP answer.
        model_id: The only model that the error concerns, or "" for all.
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
    """The service takes no submits for longer than the user wants to wait."""

    exit_code = ExitCode.UNREACHABLE


class LedgerError(RunError):
    """The ledger cannot be used."""

    exit_code = ExitCode.STORAGE


class LedgerDamaged(LedgerError):
    """The ledger's file cannot be read, or only in part."""


class LedgerBusy(LedgerError):
    """Another run holds the ledger of this output folder."""

    exit_code = ExitCode.LEDGER_BUSY


class OutputError(RunError):
    """The output folder cannot be written."""

    exit_code = ExitCode.STORAGE


def find_only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to raise for an exception group of task groups.

    If there are only pipeline errors, the gravest one; else the bug, or the whole group
    if there are several bugs.
    """
    errors: list[BaseException] = []

    def flatten(inner: BaseExceptionGroup[BaseException]) -> None:
        for error in inner.exceptions:
            if isinstance(error, BaseExceptionGroup):
                flatten(error)
            else:
                errors.append(error)

    flatten(group)
    bugs = [error for error in errors if not isinstance(error, PipelineError)]
    if not bugs:
        return min(errors, key=_rank)
    return bugs[0] if len(bugs) == 1 else group


def _rank(error: BaseException) -> int:
    """How grave a pipeline error is, by its exit code; 0 is the gravest."""
    code = error.exit_code if isinstance(error, PipelineError) else ExitCode.BUG
    return PRECEDENCE.index(code) if code in PRECEDENCE else len(PRECEDENCE)
