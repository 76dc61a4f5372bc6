"""Settler: in-doubt submits, whose answer is lost → the job of each, or proof of none.

Absence is proved by counting, not by resemblance: while the list shows an unowned job
that may be ours, nothing is sent again. Exception: for a submit that was refused, a job
that shows both another seed and another text does not count. One reading of the list
serves all lost submits. The settler only reads; the user decides what stays unsure.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import anyio

from pipeline.api.interface import RemoteJob
from pipeline.api.retry import is_rate_refusal
from pipeline.clock import Clock
from pipeline.errors import (
    OutcomeUnknown,
    PipelineError,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.fingerprint import canonical_json
from pipeline.job import Job, RemoteId
from pipeline.record import Struct
from pipeline.settings import Settings
from pipeline.stages.identity import Identity
from pipeline.stages.matching import match
from pipeline.stages.reading import JobReader, ListedJobs, Reading, Rows, Sent, sent_of
from pipeline.stages.unanswered import Unanswered

READINGS_FOR_PROOF = 2
DISTINGUISHING = 15  # the score from which seed or text agree; see ``api.echo``
READINGS_TO_DECIDE = 3  # inconclusive readings after the settling time, then UNKNOWN
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 5.0
_ANSWERS_KEPT = 1000
_IDS_NAMED = 5


class _Lost(Struct, eq=False):
    sent: Sent
    is_refused: bool
    proof_from_s: float
    give_up_s: float
    settled: anyio.Event
    answered_before: int
    let_others_go: Callable[[], None]
    clean: int = 0
    undecided: int = 0
    found: RemoteJob | None = None
    error: OutcomeUnknown | None = None


class _Answered(Struct, frozen=True, kw_only=True):
    """An answered submit: its position among the answers, its run and its mark."""

    number: int
    rows: Rows
    mark_id: int
    at_s: float


class Settler:
    """Finds out what became of lost submits; :meth:`run` is its task.

    Args:
        reader: Reads the job list.
        identity: Our identity.
        clock: The clock to use.
        settings: The settling time.
        seen: The jobs that listings have shown.
        unanswered: The submits in progress.
        may_learn: Whether another item is in progress whose answer may show that the
            list is readable.
    """

    def __init__(
        self,
        reader: JobReader,
        identity: Identity,
        clock: Clock,
        settings: Settings,
        *,
        seen: ListedJobs,
        unanswered: Unanswered,
        may_learn: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reader = reader
        self._identity = identity
        self._clock = clock
        self._settings = settings
        self._seen = seen
        self._unanswered = unanswered
        self._may_learn = may_learn
        self._lost: list[_Lost] = []
        self._open: list[_Lost] = []  # given up, but their claims still count
        self._something_lost = anyio.Event()
        self._answered: OrderedDict[RemoteId, _Answered] = OrderedDict()
        self._answers = 0

    def note_answered(self, job: Job, rows: Rows) -> None:
        """Note an answered submit: the list has to show its job from now on."""
        assert job.remote_id is not None
        self._answers += 1
        self._answered[job.remote_id] = _Answered(
            number=self._answers,
            rows=rows,
            mark_id=job.mark_id or 0,
            at_s=self._clock.monotonic_s(),
        )
        if len(self._answered) > _ANSWERS_KEPT:
            self._answered.popitem(last=False)

    def count_waiting(self, rows: Rows) -> int:
        """How many submits of a run wait to be settled."""
        return sum(lost.sent.rows is rows for lost in self._lost)

    async def sees_unowned(self, job: Job, rows: Rows) -> bool:
        """Whether a listing has shown an unowned job that this submit may have made."""
        await self._unanswered.wait_for_answers(job.model_id)
        sent = sent_of(job, rows)
        seen = [one for one in self._seen if self._reader.may_come_of(sent, one)]
        return bool(self._reader.still_unowned(seen))

    async def wait_until_settled(
        self,
        job: Job,
        rows: Rows,
        *,
        is_refused: bool = False,
        waits: bool = True,
        on_waiting: Callable[[], None] = lambda: None,
        let_others_go: Callable[[], None] = lambda: None,
    ) -> RemoteJob | None:
        """Suspend until the outcome of a submit is known.

        Args:
            job: The attempt, with its ``request`` and mark.
            rows: The rows of its run.
            is_refused: Whether the service refused the submit. Then one reading
                without a candidate is enough.
            waits: Whether the settling time has to pass. For a refusal, this applies
                only if nothing shows that the list is up to date.
            on_waiting: Called once the claim of this submit counts.
            let_others_go: Called if it takes a job of another item to tell this
                refused submit's job from those of others; perhaps several times.

        Returns:
            The job to adopt, or None if it is proved that there is none.

        Raises:
            OutcomeUnknown: The outcome could not be found out.
        """
        now_s = self._clock.monotonic_s()
        proof_from_s = now_s + (self._settings.settle_s if waits else 0.0)
        lost = _Lost(
            sent=sent_of(job, rows),
            is_refused=is_refused,
            proof_from_s=proof_from_s,
            give_up_s=now_s + self._settings.settle_s + self._settings.free_deadline_s,
            settled=anyio.Event(),
            answered_before=self._answers,
            let_others_go=let_others_go,
        )
        self._lost.append(lost)
        self._something_lost.set()
        on_waiting()
        try:
            await lost.settled.wait()
        finally:
            if lost in self._lost:
                self._lost.remove(lost)
        if lost.error is not None:
            self._open.append(lost)
            raise lost.error
        return lost.found

    async def run(self) -> None:
        """Settle lost submits until cancelled."""
        while True:
            if not self._lost:
                self._something_lost = anyio.Event()
                await self._something_lost.wait()
            await self._settle_what_is_lost()

    async def _settle_what_is_lost(self) -> None:
        delay_s = FIRST_DELAY_S
        while self._lost:
            since_s = self._clock.monotonic_s()
            await self._clock.sleep(delay_s)
            delay_s = min(delay_s * 1.5, LONGEST_DELAY_S)
            begun_s = self._clock.monotonic_s()
            waiting = list(self._lost)
            if not waiting:
                return
            try:
                reading = await self._reader.read(
                    min(lost.sent.since for lost in waiting)
                )
            except (Unavailable, UnexpectedAnswer, Rejected) as error:
                if is_rate_refusal(error):  # this time does not count
                    for lost in waiting:
                        lost.give_up_s += self._clock.monotonic_s() - since_s
                self._give_up_overdue(error)
                continue
            if reading.unowned:
                # Jobs of submits in progress get their owners with the answers.
                for model_id in {lost.sent.job.model_id for lost in waiting}:
                    await self._unanswered.wait_for_answers(model_id)
            self._adopt(reading)
            free = self._reader.still_unowned(reading.unowned)
            for lost in waiting:
                if not lost.settled.is_set():
                    self._weigh(lost, reading, free, begun_s)
            self._give_up_overdue(None)

    # --- found ------------------------------------------------------------------

    def _adopt(self, reading: Reading) -> None:
        # Submits that were lost since the reading began, or were given up, have claims
        # too: a job that may be theirs is not assigned to another submit.
        lost = [one for one in self._lost if not one.settled.is_set()] + self._open
        free = [
            job
            for job in self._reader.still_unowned(reading.unowned)
            if not self._identity.is_adopted(job.remote_id)
        ]
        for one, job in match(
            lost,
            free,
            score=self._score,
            asks_for=lambda one: request_of(one.sent.job),
            shows=shown_by,
        ):
            if one.settled.is_set():
                continue  # given up: the reconciler checks it at the end of the run
            self._identity.adopt(job.remote_id)
            one.found = job
            one.settled.set()

    def _score(self, lost: _Lost, job: RemoteJob) -> int | None:
        score = self._reader.score(lost.sent, job)
        if score is None or score >= DISTINGUISHING:
            return score
        # Neither seed nor text identifies the job. It is adopted only if we certainly
        # made it, and after later jobs have had time to appear.
        author_id = self._identity.author_id
        is_ours = author_id and author_id == job.author_id
        is_early = self._clock.monotonic_s() < lost.proof_from_s
        return None if lost.is_refused or is_early or not is_ours else score

    # --- absent -----------------------------------------------------------------

    def _weigh(
        self, lost: _Lost, reading: Reading, free: Sequence[RemoteJob], begun_s: float
    ) -> None:
        """Count a reading: as evidence that no job exists, or as inconclusive."""
        candidates = self._find_candidates(lost, reading, free)
        if candidates:
            self._weigh_candidates(lost, reading, candidates, begun_s)
        elif lost.is_refused:
            self._believe(lost, reading, begun_s)
        elif begun_s < lost.proof_from_s:
            pass
        elif lost.sent.job.mark_id is None:
            self._leave_open(lost, begun_s, "its place in the job list is unknown")
        elif self._identity.is_of_another_key(lost.sent.job):
            self._leave_open(lost, begun_s, "it was sent with another API key")
        elif self._is_behind(lost, reading, begun_s):
            lost.clean = 0
        elif not self._has_control(lost, reading):
            if self._may_learn():
                return
            model_id = lost.sent.job.model_id
            text = f"no other job of {model_id} shows that the job list is complete"
            self._leave_open(lost, begun_s, text)
        else:
            lost.clean += 1
            if lost.clean >= READINGS_FOR_PROOF:
                lost.settled.set()

    def _believe(self, lost: _Lost, reading: Reading, begun_s: float) -> None:
        """Accept a refusal once the list shows all jobs that were answered before it.

        If there were none, the settling time and a second reading must suffice.
        """
        later = {
            remote_id
            for remote_id, answered in self._answered.items()
            if answered.number > lost.answered_before
        }
        sent = lost.sent
        before = sent.rows.find_remote_ids(sent.job.mark_id or 0) - later
        if not before <= reading.owned:
            lost.clean = 0
            return
        lost.clean += 1
        is_over = begun_s >= lost.proof_from_s and lost.clean >= READINGS_FOR_PROOF
        if before or is_over:
            lost.settled.set()

    def _weigh_candidates(
        self,
        lost: _Lost,
        reading: Reading,
        candidates: Sequence[RemoteJob],
        begun_s: float,
    ) -> None:
        if lost.is_refused and not self._has_control(lost, reading):
            # A job of another item may show whose they are.
            lost.let_others_go()
            if self._may_learn():
                return
        self._leave_open(lost, begun_s, _named(candidates))

    def _has_control(self, lost: _Lost, reading: Reading) -> bool:
        """Whether the reading shows a job of ours that the candidate rule finds."""
        return any(
            lost.sent.reaches(control)
            for control in reading.controls.get(lost.sent.job.model_id, ())
        )

    def _find_candidates(
        self, lost: _Lost, reading: Reading, free: Sequence[RemoteJob]
    ) -> list[RemoteJob]:
        """The unowned jobs that a submit may have made; they prevent a resubmit.

        For a refused submit, once it is known how the service shows our jobs, a job
        that shows both another seed and another text is left out: it belongs to
        another run.
        """
        candidates = [
            job
            for job in free
            if not self._identity.is_adopted(job.remote_id)
            and self._reader.may_come_of(lost.sent, job)
        ]
        if lost.is_refused and self._has_control(lost, reading):
            return [
                job
                for job in candidates
                if not self._reader.compare(lost.sent.job, job).is_another
            ]
        return candidates

    def _is_behind(self, lost: _Lost, reading: Reading, begun_s: float) -> bool:
        """Whether the list does not yet show what it has to.

        It has to show every job of ours that was answered ``settle_s`` ago or earlier,
        and at least one of our jobs that were answered later than the lost submit; if
        there are none, at least one answered since its mark.
        """
        sent = lost.sent
        since_mark = {
            remote_id: answered
            for remote_id, answered in self._answered.items()
            # Marks of another run cannot be compared, but the order of answers can.
            if answered.number > lost.answered_before
            or (
                answered.rows is sent.rows
                and answered.mark_id >= (sent.job.mark_id or 0)
            )
        }
        old = {
            remote_id
            for remote_id, answered in since_mark.items()
            if answered.at_s <= begun_s - self._settings.settle_s
        }
        later = {
            remote_id
            for remote_id, answered in since_mark.items()
            if answered.number > lost.answered_before
        }
        some = later or since_mark.keys()
        return not old <= reading.owned or (
            bool(some) and reading.owned.isdisjoint(some)
        )

    def _leave_open(self, lost: _Lost, begun_s: float, why: str) -> None:
        lost.clean = 0
        if begun_s < lost.proof_from_s:
            return
        lost.undecided += 1
        if lost.undecided >= READINGS_TO_DECIDE:
            _give_up(lost, why)

    def _give_up_overdue(self, error: PipelineError | None) -> None:
        now_s = self._clock.monotonic_s()
        for lost in self._lost:
            if now_s >= lost.give_up_s and not lost.settled.is_set():
                _give_up(lost, "" if error is None else error.message)


def _give_up(lost: _Lost, why: str) -> None:
    because = f": {why}" if why else ""
    lost.error = OutcomeUnknown(
        f"whether the job exists could not be determined{because}",
        hint="run again later, or decide with: pipeline resolve",
    )
    lost.settled.set()


def _named(candidates: Sequence[RemoteJob]) -> str:
    ids = [str(job.remote_id) for job in candidates[:_IDS_NAMED]]
    more = len(candidates) - len(ids)
    names = ", ".join(ids) + (f" and {more} more" if more else "")
    return f"the job may be {names}"


def request_of(job: Job) -> str:
    """A key that is equal for interchangeable submits; derived seeds are left out."""
    asked = dict(job.request or {})
    if job.derived_seed:
        asked.pop("seed", None)
    return canonical_json([job.model_id, asked])


def shown_by(job: RemoteJob) -> str:
    """A key that is equal for jobs shown with the same inputs, apart from the seed."""
    return canonical_json(
        {name: value for name, value in job.inputs.items() if name != "seed"}
    )
