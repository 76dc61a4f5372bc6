"""Settler: submits whose answer is lost → the job that came of each, or proof of none.

One listing serves all of them. Only reading is done here: jobs by creation time, to
the last page, without type filters, because creation order stands still while one
sorted by update loses jobs that move between pages. What is proved absent may be
submitted again; what stays unsure is the user's to decide.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import anyio

from pipeline.api.interface import GenerationApi, RemoteJob
from pipeline.api.listing import list_created_after
from pipeline.clock import Clock
from pipeline.echo import agreement, contradicts, same_request, shares_seed
from pipeline.errors import (
    OutcomeUnknown,
    PipelineError,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import Job, RemoteId
from pipeline.record import Struct
from pipeline.settings import Settings

MARGIN = timedelta(minutes=2)  # clocks differ, also after correction by ``Date``
LISTINGS_FOR_PROOF = 2
# From the submit to its job's creation, when who made the job is not known yet.
EARLIEST = timedelta(seconds=-5)
LATEST = timedelta(seconds=15)
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 5.0


class _Lost(Struct, eq=False):
    job: Job
    proof_from_s: float
    give_up_s: float
    settled: anyio.Event
    derived_seed: bool
    clean_listings: int = 0
    found: RemoteJob | None = None
    error: OutcomeUnknown | None = None


class _Witness(Struct, frozen=True):
    remote_id: RemoteId
    created_at: datetime


class Settler:
    """Finds out what became of lost submits; :meth:`run` is its task.

    Attributes:
        author_id: Ours, once any job of ours has told it; until then "".

    Args:
        api: The service.
        clock: Whose time is spent.
        settings: The settling time and the submit's own timeout.
        find_owned: Those of some remote ids that belong to a row of the ledger.
        is_being_submitted: Whether an identical submit waits for its answer; then a
            job in the listing may be that one's, and nothing is adopted yet.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        find_owned: Callable[[Iterable[RemoteId]], AbstractSet[RemoteId]],
        is_being_submitted: Callable[[Job], bool] = lambda _job: False,
    ) -> None:
        self._api = api
        self._clock = clock
        self._settings = settings
        self._find_owned = find_owned
        self._is_being_submitted = is_being_submitted
        self._lost: list[_Lost] = []
        self._claimed: set[RemoteId] = set()
        self._witness: _Witness | None = None
        self._something_lost = anyio.Event()
        self._absent: list[_Lost] = []
        self._suspects: dict[RemoteId, RemoteJob] = {}
        self._rewrites_prompts = False
        self.author_id = ""

    def note_own(self, job: RemoteJob) -> None:
        """A job that is ours beyond doubt: teaches our author id, serves as witness."""
        if job.author_id:
            self.author_id = job.author_id
        if job.created_at is not None and (
            self._witness is None or job.created_at > self._witness.created_at
        ):
            self._witness = _Witness(job.remote_id, job.created_at)

    def note_echo(self, job: Job, remote: RemoteJob) -> None:
        """What became of a job's prompt tells whether the service rewrites them."""
        sent, echoed = (job.request or {}).get("prompt"), remote.inputs.get("prompt")
        if echoed is not None and echoed != sent:
            self._rewrites_prompts = True

    def notice(self, remote: RemoteJob) -> None:
        """A record that some listing shows: it may be one that was proved absent.

        Nothing is concluded here: the same inputs may have been submitted again, and
        this may be the job of that later submit. See :meth:`find_duplicates`.
        """
        if any(self._fits(lost, remote) for lost in self._absent):
            self._suspects[remote.remote_id] = remote

    def find_duplicates(self) -> list[tuple[Job, RemoteJob]]:
        """Jobs that surfaced although proved absent, each with the attempt it is of.

        To be asked when every submit has been answered or settled: what no row owns
        then has been paid for twice.
        """
        unowned = self._unowned(list(self._suspects.values()))
        found: list[tuple[Job, RemoteJob]] = []
        for lost in self._absent:
            remote = next((job for job in unowned if self._fits(lost, job)), None)
            if remote is not None:
                unowned.remove(remote)
                found.append((lost.job, remote))
        return found

    async def wait_until_settled(
        self, job: Job, *, derived_seed: bool
    ) -> RemoteJob | None:
        """Suspend until it is known what came of an UNKNOWN job.

        Args:
            job: With ``request`` and ``sent_at``.
            derived_seed: Whether its seed is one that only this item has.

        Returns:
            The job to adopt, or None when it is proved that there is none.

        Raises:
            OutcomeUnknown: Neither was possible until the deadline.
        """
        now_s = self._clock.monotonic_s()
        proof_from_s = now_s + self._settings.settle_s
        lost = _Lost(
            job=job,
            proof_from_s=proof_from_s,
            give_up_s=proof_from_s + self._settings.free_deadline_s,
            settled=anyio.Event(),
            derived_seed=derived_seed,
        )
        self._lost.append(lost)
        self._something_lost.set()
        try:
            await lost.settled.wait()
        finally:
            if lost in self._lost:
                self._lost.remove(lost)
        if lost.error is not None:
            raise lost.error
        return lost.found

    async def run(self) -> None:
        """Settle until cancelled."""
        while True:
            if not self._lost:
                self._something_lost = anyio.Event()
                await self._something_lost.wait()
            await self._settle_what_is_lost()

    async def _settle_what_is_lost(self) -> None:
        delay_s = FIRST_DELAY_S
        while self._lost:
            await self._clock.sleep(delay_s)
            delay_s = min(delay_s * 1.5, LONGEST_DELAY_S)
            begun_s = self._clock.monotonic_s()
            waiting = list(self._lost)
            if not waiting:
                return
            since = min(_sent_at(lost.job) for lost in waiting) - MARGIN
            try:
                listing = await list_created_after(self._api, since)
            except (Unavailable, UnexpectedAnswer, Rejected) as error:
                self._give_up_overdue(error)
                continue
            self._adopt(listing, waiting)
            for lost in waiting:
                if not lost.settled.is_set():
                    self._weigh_absence(lost, listing, begun_s)
            self._give_up_overdue(None)

    # --- found ------------------------------------------------------------------

    def _adopt(self, listing: list[RemoteJob], waiting: list[_Lost]) -> None:
        free = self._unowned(listing)
        pairs = [
            (agreement(lost.job.request or {}, job.inputs), -order, lost, job)
            for lost in waiting
            for order, job in enumerate(free)
            if self._fits(lost, job)
        ]
        pairs.sort(key=lambda pair: pair[:2], reverse=True)
        for _, _, lost, job in pairs:
            if lost.settled.is_set() or job.remote_id in self._claimed:
                continue
            if self._is_being_submitted(lost.job) or not self._is_surely_ours(
                lost, job, free
            ):
                lost.clean_listings = 0
                continue
            self._claimed.add(job.remote_id)
            lost.found = job
            lost.settled.set()

    def _is_surely_ours(
        self, lost: _Lost, job: RemoteJob, free: list[RemoteJob]
    ) -> bool:
        """Before any job of ours has told who we are, a colleague's may look alike.

        The same manifest sends the same seeds. Then only the one job that fits, made
        in the moments after the submit, is taken; else we wait to learn who we are.
        """
        if self.author_id or not job.author_id:
            return True
        rivals = sum(self._fits(lost, other) for other in free)
        if rivals != 1 or job.created_at is None:
            return False
        age = job.created_at - _sent_at(lost.job)
        return EARLIEST <= age <= LATEST

    def _unowned(self, listing: list[RemoteJob]) -> list[RemoteJob]:
        owned = self._find_owned([job.remote_id for job in listing])
        return [
            job
            for job in listing
            if job.remote_id not in owned and job.remote_id not in self._claimed
        ]

    def _fits(self, lost: _Lost, job: RemoteJob) -> bool:
        if job.model_id and job.model_id != lost.job.model_id:
            return False
        return self._may_be_ours(lost, job) and same_request(
            lost.job.request or {},
            job.inputs,
            derived_seed=lost.derived_seed,
            rewrites_prompts=self._rewrites_prompts,
        )

    def _may_be_ours(self, lost: _Lost, job: RemoteJob) -> bool:
        if self.author_id and job.author_id and job.author_id != self.author_id:
            return False
        if job.created_at is None:
            return True
        sent_at = _sent_at(lost.job)
        longest = timedelta(seconds=self._settings.submit_timeout_s)
        return sent_at - MARGIN <= job.created_at <= sent_at + longest + MARGIN

    # --- absent -----------------------------------------------------------------

    def _weigh_absence(
        self, lost: _Lost, listing: list[RemoteJob], begun_s: float
    ) -> None:
        if begun_s < lost.proof_from_s or self._is_being_submitted(lost.job):
            return
        nameless = any(
            self._may_be_ours(lost, job)
            and job.model_id in {"", lost.job.model_id}
            and (
                not contradicts(lost.job.request or {}, job.inputs)
                # Its own seed, with a prompt that the service may have rewritten.
                or (
                    lost.derived_seed
                    and shares_seed(lost.job.request or {}, job.inputs)
                )
            )
            for job in self._unowned(listing)
        )
        if nameless or not self._is_witnessed(lost, listing):
            lost.clean_listings = 0
            return
        lost.clean_listings += 1
        if lost.clean_listings >= LISTINGS_FOR_PROOF:
            self._absent.append(lost)
            lost.settled.set()

    def _is_witnessed(self, lost: _Lost, listing: list[RemoteJob]) -> bool:
        """Whether the listing shows a later job of ours, where there is one."""
        witness = self._witness
        if witness is None or witness.created_at < _sent_at(lost.job):
            return True
        sent_at = _sent_at(lost.job)
        owned = self._find_owned(
            job.remote_id
            for job in listing
            if job.created_at is not None and job.created_at >= sent_at
        )
        return bool(owned)

    def _give_up_overdue(self, error: PipelineError | None) -> None:
        now_s = self._clock.monotonic_s()
        for lost in self._lost:
            if now_s >= lost.give_up_s and not lost.settled.is_set():
                why = "" if error is None else f": {error.message}"
                lost.error = OutcomeUnknown(
                    f"it could not be found out whether the job exists{why}",
                    hint="run again later, or decide with: pipeline resolve",
                )
                lost.settled.set()


def _sent_at(job: Job) -> datetime:
    assert job.sent_at is not None, "an intent is recorded with its time"
    return job.sent_at
