"""The jobs of the service: how they are made, how they go and how they are shown.

``FakeJobs`` is the part of ``FakeApi`` that knows no requests but those for jobs.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from doubles.calls import FakeCalls
from doubles.outcome import ENDS, FakeJob, Outcome
from doubles.pictures import png_of
from pipeline.api.interface import JobFilter, JobPage, RemoteJob, RemoteStatus
from pipeline.job import AssetId, JsonValue, RemoteId
from pipeline.record import replace
from pipeline.storage.media_type import media_type_of

MODEL = "model_wan-2-7-image"
MODEL_PRO = "model_wan-2-7-image-pro"
US = "apiu_us"
PRICE = Decimal(6)


@dataclass(slots=True)
class FakeJobs(FakeCalls):
    """Jobs, ours and those of others; every state follows from their steps.

    Attributes:
        duration_s: The usual life of a job.
        price: Compute units an output, for quotes.
        list_lag_s: The listings show the world as it was so long ago.
        page_size: Jobs on a page.
        skew_s: The service's clock minus ours.
        heartbeat_s: ``updated_at`` of a running job moves this often; 0: never.
        hidden_s: A new job is unknown by its id for so long.
        echo_delay_s: The inputs of a new job are empty for so long.
        echo_omits: Inputs that the echo leaves out.
        output_delay_s: A success names its assets so long after its end.
        author_id: Who the service says we are; "" where it does not say.
        tamper: Changes a page before it is shown: (filter, token, page) → page.
        listings: Filter and token of every page that was asked for.
        reads: The id of every read of one job.
        jobs: Every job, foreign ones too, in order of creation.
        files: Content of every asset by id.
        media_types: Of assets that are no pictures.
        by_id: The jobs that a read by id finds.
    """

    duration_s: float = 10.0
    price: Decimal = PRICE
    list_lag_s: float = 0.0
    page_size: int = 100
    skew_s: float = 0.0
    heartbeat_s: float = 0.0
    hidden_s: float = 0.0
    echo_delay_s: float = 0.0
    echo_omits: tuple[str, ...] = ()
    output_delay_s: float = 0.0
    author_id: str = US
    tamper: Callable[[JobFilter, str, JobPage], JobPage] = lambda _w, _t, page: page
    listings: list[tuple[JobFilter, str]] = field(default_factory=list)
    reads: list[RemoteId] = field(default_factory=list)
    jobs: list[FakeJob] = field(default_factory=list)
    files: dict[AssetId, bytes] = field(default_factory=dict)
    media_types: dict[AssetId, str] = field(default_factory=dict)
    by_id: dict[str, FakeJob] = field(default_factory=dict)
    _outcomes: dict[str, deque[Outcome]] = field(default_factory=dict)

    # --- the test's side ------------------------------------------------------

    def script(self, prompt: str, *outcomes: Outcome) -> None:
        """Decide how the jobs with this prompt go: one after the other, last stays."""
        self._outcomes[prompt] = deque(outcomes)

    def add_job(
        self,
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        model_id: str = MODEL,
        author_id: str | None = None,
        age_s: float = 0.0,
        outcome: Outcome | None = None,
    ) -> FakeJob:
        """Make a job that nobody submitted here."""
        return self._make_job(
            model_id,
            dict(inputs or {"prompt": "an oak"}),
            self.author_id if author_id is None else author_id,
            self.clock.monotonic_s() - age_s,
            outcome,
        )

    def date_ahead(self, made: FakeJob, ahead_s: float) -> None:
        """Let the listings show this job as made so much later."""
        made_at = self.time_at(made.created_s) + timedelta(seconds=ahead_s)
        shown = self.tamper

        def tamper(which: JobFilter, token: str, page: JobPage) -> JobPage:
            jobs = [
                replace(job, created_at=made_at)
                if job.remote_id == made.remote_id
                else job
                for job in page.jobs
            ]
            jobs.sort(key=lambda job: job.remote_id != made.remote_id)
            return shown(which, token, replace(page, jobs=tuple(jobs)))

        self.tamper = tamper

    def remove_jobs(self, prompt: str) -> None:
        """Let the jobs with this prompt never have been."""
        self.jobs = [job for job in self.jobs if job.inputs.get("prompt") != prompt]
        self.by_id = {job.remote_id: job for job in self.jobs}

    def time_at(self, moment_s: float) -> datetime:
        """A moment of the clock as the service writes it."""
        ago = timedelta(seconds=self.clock.monotonic_s() - moment_s)
        exact = self.clock.utc_now() - ago + timedelta(seconds=self.skew_s)
        return exact.replace(microsecond=exact.microsecond // 1000 * 1000)

    @property
    def own_jobs(self) -> list[FakeJob]:
        """What we have to pay for."""
        return [job for job in self.jobs if job.author_id == self.author_id]

    def paid_by_prompt(self) -> Counter[str]:
        """How many jobs of ours were made for each prompt."""
        return Counter(str(job.inputs.get("prompt")) for job in self.own_jobs)

    def price_of(self, inputs: Mapping[str, JsonValue]) -> Decimal:
        """The unit price for each output that is asked for."""
        count = inputs.get("numOutputs", 1)
        return self.price * (count if isinstance(count, int) else 1)

    def charge_of(self, job: FakeJob) -> Decimal:
        """Compute units that a job was charged; a refund is not taken off."""
        charged = job.outcome.charged
        return self.price_of(job.inputs) if charged is None else charged

    @property
    def spent(self) -> Decimal:
        """Compute units that our jobs have cost by now, refunds taken off."""
        now_s = self.clock.monotonic_s()
        total = Decimal(0)
        for job in self.own_jobs:
            failed = job.step_at(now_s)[1] == "failure"
            total += 0 if failed and job.outcome.refunds else self.charge_of(job)
        return total

    @property
    def in_flight(self) -> int:
        """Jobs of ours that have not ended."""
        now_s = self.clock.monotonic_s()
        return sum(
            job.ended_s is None or job.ended_s > now_s + 1e-9 for job in self.own_jobs
        )

    def show(self, job: FakeJob, moment_s: float) -> RemoteJob:
        """The record of a job as it is at a moment."""
        _, status = job.step_at(moment_s)
        echoes = moment_s >= job.created_s + self.echo_delay_s
        outcome = job.outcome
        ended = status in ENDS
        return RemoteJob(
            remote_id=job.remote_id,
            status=ENDS.get(status, RemoteStatus.RUNNING),
            status_text=status,
            created_at=self.time_at(job.created_s),
            updated_at=self.time_at(self._updated_s(job, moment_s)),
            author_id=job.author_id,
            model_id=job.model_id if echoes else "",
            inputs=self._echo(job) if echoes else {},
            asset_ids=job.asset_ids if self._has_output(job, moment_s) else (),
            error=outcome.error if ended else "",
            hint=outcome.hint if ended else "",
            charged=self.charge_of(job) + outcome.discount,
            refunds=outcome.refunds,
            discount=outcome.discount,
            output=outcome.output if ended else None,
        )

    # --- the client's side ----------------------------------------------------

    def service_now(self) -> datetime:
        return self.time_at(self.clock.monotonic_s())

    async def find_job(self, remote_id: RemoteId) -> RemoteJob | None:
        async with self._call("find_job", remote_id):
            self.reads.append(remote_id)
            job = self.by_id.get(remote_id)
            now_s = self.clock.monotonic_s()
            hidden = job is None or now_s < job.created_s + self.hidden_s
            return None if hidden or job is None else self.show(job, now_s)

    async def list_jobs(self, which: JobFilter, *, token: str = "") -> JobPage:
        async with self._call("list_jobs", which, token):
            self.listings.append((which, token))
            return self.tamper(which, token, self._page(which, _position(token)))

    # --- inside ---------------------------------------------------------------

    def _make_job(
        self,
        model_id: str,
        inputs: dict[str, JsonValue],
        author_id: str,
        created_s: float,
        outcome: Outcome | None,
    ) -> FakeJob:
        number = len(self.jobs) + 1
        outcomes = self._outcomes.get(str(inputs.get("prompt")))
        if outcome is None and outcomes:
            outcome = outcomes.popleft() if len(outcomes) > 1 else outcomes[0]
        outcome = outcome or Outcome()
        life_s = self.duration_s if outcome.duration_s is None else outcome.duration_s
        steps = [(created_s + life_s * share, status) for status, share in outcome.path]
        outputs = outcome.outputs
        if outcome.files:
            outputs = len(outcome.files)
        elif outputs is None:
            wanted = inputs.get("numOutputs", 1)
            outputs = wanted if isinstance(wanted, int) else 1
        if outcome.ends:
            steps.append((created_s + life_s, outcome.ends))
        has_some = outcome.ends == "success" or outcome.outputs is not None
        names = range(outputs if has_some else 0)
        job = FakeJob(
            number=number,
            remote_id=RemoteId(f"job_{number}"),
            model_id=model_id,
            inputs=inputs,
            author_id=author_id,
            created_s=created_s,
            steps=tuple(steps),
            asset_ids=tuple(AssetId(f"asset_{number}_{name}") for name in names),
            outcome=outcome,
        )
        for asset_id in job.asset_ids:
            self.files[asset_id] = png_of(asset_id)
        for asset_id, content in zip(job.asset_ids, outcome.files, strict=False):
            self.files[asset_id] = content
            self.media_types[asset_id] = media_type_of(content)
        self.jobs.append(job)
        self.by_id[job.remote_id] = job
        return job

    def _updated_s(self, job: FakeJob, moment_s: float) -> float:
        since_s, status = job.step_at(moment_s)
        if self.heartbeat_s and status not in ENDS:
            since_s += (moment_s - since_s) // self.heartbeat_s * self.heartbeat_s
        return since_s

    def _has_output(self, job: FakeJob, moment_s: float) -> bool:
        ended_s = job.ended_s
        return ended_s is not None and moment_s >= ended_s + self.output_delay_s

    def _echo(self, job: FakeJob) -> dict[str, JsonValue]:
        """What was sent, and the seed that was drawn where none was."""
        echo: dict[str, JsonValue] = {"seed": 1_000_000 + job.number, **job.inputs}
        return {name: echo[name] for name in echo if name not in self.echo_omits}

    def _page(self, which: JobFilter, start: int) -> JobPage:
        moment_s = self.clock.monotonic_s() - self.list_lag_s
        seen = [job for job in self.jobs if job.created_s <= moment_s + 1e-9]
        if which.created_after is not None:
            chosen = [
                self.show(job, moment_s)
                for job in sorted(seen, key=lambda job: (job.created_s, job.number))
                if self.time_at(job.created_s) > which.created_after
            ]
        else:
            after = which.updated_after
            chosen = [
                self.show(job, moment_s)
                for job in sorted(
                    seen, key=lambda job: (self._updated_s(job, moment_s), job.number)
                )
                if after is None or self.time_at(self._updated_s(job, moment_s)) > after
            ]
        if which.status:
            chosen = [job for job in chosen if job.status_text == which.status]
        if which.author_id:
            chosen = [job for job in chosen if job.author_id == which.author_id]
        chosen.reverse()
        end = start + self.page_size
        token = str(end) if end < len(chosen) else ""
        return JobPage(jobs=tuple(chosen[start:end]), next_token=token)


def _position(token: str) -> int:
    """Where a page begins; a token that a test made up begins anew."""
    try:
        return int(token)
    except ValueError:
        return 0
