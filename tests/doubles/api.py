"""The service and its CDN, in process and on a clock that the test holds.

``FakeApi`` implements ``GenerationApi`` and ``FakeTransfer`` ``FileTransfer``; what
they show is held to the emulator's by ``stages/test_fake_contract.py``. Both keep
counters that the code under test cannot touch. ``QuickClock`` is a ``FakeClock`` that
knows when threads are at work, so that time does not run away from them.
"""

import asyncio
import io
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from PIL import Image

from doubles.clock import START, FakeClock
from pipeline.api.cdn import UrlExpired
from pipeline.api.interface import (
    JobFilter,
    JobPage,
    Quote,
    RemoteAsset,
    RemoteJob,
    RemoteStatus,
    RemoteUpload,
    Submission,
    TeamLimits,
    UploadPart,
)
from pipeline.api.rate_limiter import RateLimiter
from pipeline.clock import Clock
from pipeline.errors import (
    OutcomeUnknown,
    PipelineError,
    RateLimited,
    Rejected,
    Unavailable,
)
from pipeline.job import AssetId, JsonValue, RemoteId
from pipeline.record import replace

MODEL = "model_wan-2-7-image"
MODEL_PRO = "model_wan-2-7-image-pro"
US = "apiu_us"
PATH = (("queued", 0.0), ("warming-up", 0.1), ("in-progress", 0.2), ("finalizing", 0.9))
ENDS = {
    "success": RemoteStatus.SUCCESS,
    "failure": RemoteStatus.FAILURE,
    "canceled": RemoteStatus.CANCELED,
}
PRICE = Decimal(6)
CDN = "https://cdn.cloud.scenario.com"

Point = Callable[[str], None]


@cache
def png_bytes(colour: str = "teal", width: int = 8, height: int = 6) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(target, "PNG")
    return target.getvalue()


@cache
def png_of(asset_id: str) -> bytes:
    """A small picture that no other asset has."""
    number = sum(map(ord, asset_id)) * 7919
    target = io.BytesIO()
    image = Image.new("RGB", (8, 6), (number % 256, number // 256 % 256, 90))
    image.putpixel((0, 0), tuple(asset_id.encode()[-3:]))
    image.save(target, "PNG")
    return target.getvalue()


# --- time -------------------------------------------------------------------------


class _CountingExecutor(ThreadPoolExecutor):
    """The loop's own threads, where aiofiles writes."""

    def __init__(self) -> None:
        super().__init__(max_workers=4)
        self.busy = 0

    def submit(self, call, /, *arguments, **named):  # type: ignore[override]
        self.busy += 1
        future: Future = super().submit(call, *arguments, **named)
        future.add_done_callback(self._note_done)
        return future

    def _note_done(self, _future: object) -> None:
        self.busy -= 1


class QuickClock(FakeClock):
    """Moves when every task sleeps and no thread is at work, without real waiting.

    Attributes:
        is_busy: Says whether threads that the clock does not know are at work.
        on_point: Called with "sleep" before each sleep; may cancel.
    """

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self.is_busy: Callable[[], bool] = lambda: False
        self.on_point: Point = lambda _name: None
        self._executor: _CountingExecutor | None = None

    async def sleep(self, duration_s: float) -> None:
        self.on_point("sleep")
        await super().sleep(duration_s)

    @asynccontextmanager
    async def watching_threads(self) -> AsyncIterator[None]:
        """Count the threads of this loop within the block."""
        self._executor = _CountingExecutor()
        asyncio.get_running_loop().set_default_executor(self._executor)
        yield

    async def settle(self) -> None:
        """Let every task run until it can do nothing but wait for time."""
        loop = asyncio.get_running_loop()
        threads = anyio.to_thread.current_default_thread_limiter()
        while True:
            await asyncio.sleep(0)
            if loop._ready:  # type: ignore[attr-defined]
                continue
            in_executor = self._executor is not None and self._executor.busy
            if not (in_executor or threads.borrowed_tokens or self.is_busy()):
                return
            await asyncio.sleep(0.0002)

    async def advance(self, duration_s: float) -> None:
        end_s = self._now_s + duration_s
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self.jump(self._sleepers[0][0] - self._now_s)
            await self.settle()
        self.jump(end_s - self._now_s)
        await self.settle()

    async def run_until(self, done: anyio.Event, limit_s: float = 100_000.0) -> None:
        end_s = self._now_s + limit_s
        while not done.is_set():
            await self.settle()
            if done.is_set():
                return
            if not self._sleepers:
                raise AssertionError("every task waits, and none of them for time")
            if self._sleepers[0][0] > end_s:
                raise AssertionError(f"not done after {limit_s} s of the fake clock")
            self.jump(self._sleepers[0][0] - self._now_s)


# --- the service ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one job goes.

    Attributes:
        ends: The last status; "" for a job that never ends.
        duration_s: From submit to the last status; None for the service's usual.
        path: Statuses before the last and the fraction of the life at which each
            begins.
        outputs: How many assets, of a failure too; None for as many as were asked for.
        charged: Compute units; None for what was quoted.
        refunds: Whether they are given back after a failure.
        answered: Units that the answer to the submit names; None for ``charged``.
        discount: Units that the job's record shows on top of what is charged.
    """

    ends: str = "success"
    error: str = ""
    hint: str = ""
    duration_s: float | None = None
    path: tuple[tuple[str, float], ...] = PATH
    outputs: int | None = None
    charged: Decimal | None = None
    refunds: bool = True
    answered: Decimal | None = None
    discount: Decimal = Decimal(0)


@dataclass(slots=True, kw_only=True)
class FakeJob:
    """A job of the service's; every state follows from its steps."""

    number: int
    remote_id: RemoteId
    model_id: str
    inputs: Mapping[str, JsonValue]
    author_id: str
    created_s: float
    steps: tuple[tuple[float, str], ...]
    asset_ids: tuple[AssetId, ...]
    outcome: Outcome

    def step_at(self, moment_s: float) -> tuple[float, str]:
        return max(step for step in self.steps if step[0] <= moment_s + 1e-9)

    @property
    def ended_s(self) -> float | None:
        return self.steps[-1][0] if self.outcome.ends else None


@dataclass(slots=True)
class _Trouble:
    error: PipelineError | None
    after: bool
    where: Callable[[tuple], bool]
    held: anyio.Event | None = None


@dataclass(slots=True, kw_only=True)
class _Upload:
    name: str
    size_bytes: int
    parts: int
    completed_s: float | None = None
    failed: str = ""
    asset_id: AssetId | None = None


@dataclass(slots=True)
class FakeApi:
    """The service.

    Attributes:
        clock: Whose time its jobs live in.
        duration_s: The usual life of a job.
        ceiling: Jobs that may be in flight; more get RateLimited.
        announces: Whether that refusal names the ceiling.
        readable_ceiling: What ``find_limits`` says of the ceiling.
        units_left: What it says of the units.
        price: Compute units an output, for quotes.
        models: Model records by id.
        quotes: Model and inputs of every request that was priced.
        list_lag_s: The listings show the world as it was so long ago.
        page_size: Jobs on a page.
        sparse: The answer to a submit holds nothing but the id.
        skew_s: The service's clock minus ours.
        heartbeat_s: ``updated_at`` of a running job moves this often; 0: never.
        hidden_s: A new job is unknown by its id for so long.
        echo_delay_s: The inputs of a new job are empty for so long.
        echo_omits: Inputs that the echo leaves out.
        output_delay_s: A success names its assets so long after its end.
        asset_pending_s: An asset is pending so long after its job's success.
        upload_pending_s: An uploaded asset is pending for so long.
        rate_limiter: How often it may be asked: as often as one likes.
        author_id: Who the service says we are; "" where it does not say.
        bulk_rejects_unknown: One unknown id fails the whole bulk read.
        tamper: Changes a page before it is shown: (filter, token, page) → page.
        on_point: Called with the method before its effect and with ``method!``
            after it, each before a checkpoint; may cancel.
        calls: How often each method was called.
        submits: Model and inputs of every submit that came, refused or not.
        listings: Filter and token of every page that was asked for.
        bulk_reads: The ids of every bulk read.
        reads: The id of every read of one job.
        jobs: Every job, foreign ones too, in order of creation.
        files: Content of every asset by id.
        parts: What was sent to the URL of each part.
        most_in_flight: The highest number of our jobs at one time.
    """

    clock: Clock
    duration_s: float = 10.0
    ceiling: int | None = None
    announces: bool = True
    readable_ceiling: int | None = None
    units_left: Decimal | None = None
    price: Decimal = PRICE
    models: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    quotes: list[tuple[str, dict[str, JsonValue]]] = field(default_factory=list)
    list_lag_s: float = 0.0
    page_size: int = 100
    sparse: bool = False
    skew_s: float = 0.0
    heartbeat_s: float = 0.0
    hidden_s: float = 0.0
    echo_delay_s: float = 0.0
    echo_omits: tuple[str, ...] = ()
    output_delay_s: float = 0.0
    asset_pending_s: float = 0.0
    upload_pending_s: float = 0.0
    rate_limiter: RateLimiter = field(init=False)
    author_id: str = US
    bulk_rejects_unknown: bool = False
    tamper: Callable[[JobFilter, str, JobPage], JobPage] = lambda _w, _t, page: page
    on_point: Point = lambda _name: None
    calls: Counter[str] = field(default_factory=Counter)
    submits: list[tuple[str, dict[str, JsonValue]]] = field(default_factory=list)
    listings: list[tuple[JobFilter, str]] = field(default_factory=list)
    bulk_reads: list[tuple[AssetId, ...]] = field(default_factory=list)
    reads: list[RemoteId] = field(default_factory=list)
    jobs: list[FakeJob] = field(default_factory=list)
    files: dict[AssetId, bytes] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    most_in_flight: int = 0
    _by_id: dict[str, FakeJob] = field(default_factory=dict)
    _outcomes: dict[str, deque[Outcome]] = field(default_factory=dict)
    _trouble: defaultdict[str, list[_Trouble]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _broken: dict[str, PipelineError] = field(default_factory=dict)
    _spared: Counter[str] = field(default_factory=Counter)
    _uploads: dict[str, _Upload] = field(default_factory=dict)
    _uploaded_s: dict[AssetId, float] = field(default_factory=dict)
    _answered_at_s: float | None = None
    _signatures: int = 0

    def __post_init__(self) -> None:
        self.rate_limiter = RateLimiter(self.clock)

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
        self._by_id = {job.remote_id: job for job in self.jobs}

    def fail_next(
        self,
        method: str,
        error: PipelineError,
        *,
        after: bool = False,
        times: int = 1,
        where: Callable[..., bool] = lambda *_arguments: True,
    ) -> None:
        """Let the next matching calls fail, before or after they took effect."""
        for _ in range(times):
            self._trouble[method].append(
                _Trouble(error, after, lambda arguments: where(*arguments))
            )

    def hold_next(self, method: str, *, after: bool = True) -> anyio.Event:
        """Let the next call wait for its answer until the event is set."""
        event = anyio.Event()
        self._trouble[method].append(_Trouble(None, after, lambda _a: True, event))
        return event

    def break_down(
        self, *methods: str, error: PipelineError | None = None, spared: int = 0
    ) -> None:
        """Let every call of these methods fail from now on, but for the first ones.

        Args:
            methods: Of the API.
            error: What they raise.
            spared: How many calls of each still answer: one listing is the mark that
                is read before the first submit.
        """
        for method in methods:
            self._broken[method] = error or Unavailable("no route to the service")
            self._spared[method] = spared

    def mend(self, *methods: str) -> None:
        """Let these methods, or all, answer again."""
        for method in methods or list(self._broken):
            self._broken.pop(method, None)

    def forget_everything_answered(self) -> None:
        """As for a new process of ours: the service has not answered yet."""
        self._answered_at_s = None

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

    # --- the client's side ----------------------------------------------------

    @property
    def answered_at_s(self) -> float | None:
        return self._answered_at_s

    def service_now(self) -> datetime:
        return self.time_at(self.clock.monotonic_s())

    async def submit(
        self, model_id: str, inputs: Mapping[str, JsonValue]
    ) -> Submission:
        async with self._call("submit", model_id, inputs):
            self.submits.append((model_id, dict(inputs)))
            if model_id not in {MODEL, MODEL_PRO}:
                raise Rejected(f"Model {model_id} was not found", status=404)
            self._refuse_missing_assets(inputs)
            if self.ceiling is not None and self.in_flight >= self.ceiling:
                raise RateLimited(
                    "Too many parallel jobs",
                    ceiling=self.ceiling if self.announces else None,
                )
            made = self._make_job(
                model_id, dict(inputs), self.author_id, self.clock.monotonic_s(), None
            )
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            shown = self._shown(made, self.clock.monotonic_s())
        if self.sparse:
            return Submission(job=RemoteJob.named(made.remote_id), charged=None)
        answered = made.outcome.answered
        return Submission(
            job=shown,
            charged=self.charge_of(made) if answered is None else answered,
        )

    async def find_job(self, remote_id: RemoteId) -> RemoteJob | None:
        async with self._call("find_job", remote_id):
            self.reads.append(remote_id)
            job = self._by_id.get(remote_id)
            now_s = self.clock.monotonic_s()
            hidden = job is None or now_s < job.created_s + self.hidden_s
            return None if hidden or job is None else self._shown(job, now_s)

    async def list_jobs(self, which: JobFilter, *, token: str = "") -> JobPage:
        async with self._call("list_jobs", which, token):
            self.listings.append((which, token))
            return self.tamper(which, token, self._page(which, _position(token)))

    async def find_asset(self, asset_id: AssetId) -> RemoteAsset | None:
        async with self._call("find_asset", asset_id):
            return self._asset(asset_id)

    async def find_assets(
        self, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, RemoteAsset]:
        async with self._call("find_assets", tuple(asset_ids)):
            self.bulk_reads.append(tuple(asset_ids))
            assets = {asset_id: self._asset(asset_id) for asset_id in asset_ids}
            if self.bulk_rejects_unknown and None in assets.values():
                raise Rejected("one of the assets was not found", status=404)
        return {name: asset for name, asset in assets.items() if asset is not None}

    async def upload_image(self, name: str, content: bytes) -> RemoteAsset:
        async with self._call("upload_image", name, content):
            asset_id = self._take_upload(content)
            asset = self._asset(asset_id)
            assert asset is not None
        return asset

    async def create_upload(
        self, name: str, size_bytes: int, media_type: str, parts: int
    ) -> RemoteUpload:
        async with self._call("create_upload", name, size_bytes, media_type, parts):
            upload_id = f"upload_{len(self._uploads) + 1}"
            upload = _Upload(name=name, size_bytes=size_bytes, parts=parts)
            self._uploads[upload_id] = upload
        return self._described(upload_id)

    async def complete_upload(self, upload_id: str) -> None:
        async with self._call("complete_upload", upload_id):
            upload = self._uploads[upload_id]
            urls = [_part_url(upload_id, part + 1) for part in range(upload.parts)]
            if any(url not in self.parts for url in urls):
                raise Rejected("a part could not be found", status=400)
            if upload.completed_s is None:
                content = b"".join(self.parts[url] for url in urls)
                upload.completed_s = self.clock.monotonic_s()
                if len(content) != upload.size_bytes:
                    upload.failed = "another size than announced"
                else:
                    upload.asset_id = self._take_upload(content)

    async def find_upload(self, upload_id: str) -> RemoteUpload:
        async with self._call("find_upload", upload_id):
            if upload_id not in self._uploads:
                raise Rejected(f"Upload {upload_id} was not found", status=404)
        return self._described(upload_id)

    def fail_import(self, upload_number: int, reason: str) -> None:
        """Let the import of this upload, counted from 1, fail."""
        self._uploads[f"upload_{upload_number}"].failed = reason

    async def find_limits(self) -> TeamLimits:
        async with self._call("find_limits"):
            pass
        return TeamLimits(ceiling=self.readable_ceiling, units_left=self.units_left)

    async def quote(self, model_id: str, inputs: Mapping[str, JsonValue]) -> Quote:
        self.quotes.append((model_id, dict(inputs)))
        async with self._call("quote", model_id, inputs):
            self._refuse_missing_assets(inputs)
        return Quote(units=self.price_of(inputs))

    def price_of(self, inputs: Mapping[str, JsonValue]) -> Decimal:
        """The unit price for each output that is asked for."""
        count = inputs.get("numOutputs", 1)
        return self.price * (count if isinstance(count, int) else 1)

    async def find_model(self, model_id: str) -> Mapping[str, Any] | None:
        async with self._call("find_model", model_id):
            pass
        return self.models.get(model_id)

    # --- inside ---------------------------------------------------------------

    def _refuse_missing_assets(self, inputs: Mapping[str, JsonValue]) -> None:
        for asset_id in _named_assets(inputs):
            if asset_id not in self.files:
                raise Rejected(f"Asset {asset_id} was not found", status=404)

    @asynccontextmanager
    async def _call(self, method: str, *arguments: object) -> AsyncIterator[None]:
        self.calls[method] += 1
        await self._pass(method)
        trouble = next(
            (entry for entry in self._trouble[method] if entry.where(arguments)), None
        )
        if trouble is not None:
            self._trouble[method].remove(trouble)
        if method in self._broken and not self._spare(method):
            raise _fresh(self._broken[method])
        if trouble is not None and not trouble.after:
            await self._strike(trouble)
        try:
            yield
        except PipelineError:
            self._answered_at_s = self.clock.monotonic_s()
            raise
        await self._pass(f"{method}!")
        if trouble is not None and trouble.after:
            await self._strike(trouble)
        self._answered_at_s = self.clock.monotonic_s()

    def _spare(self, method: str) -> bool:
        self._spared[method] -= 1
        return self._spared[method] >= 0

    async def _pass(self, point: str) -> None:
        self.on_point(point)
        await anyio.lowlevel.checkpoint()

    async def _strike(self, trouble: _Trouble) -> None:
        if trouble.held is not None:
            await trouble.held.wait()
        error = trouble.error
        if error is None:
            return
        silent = isinstance(error, OutcomeUnknown) or (
            isinstance(error, Unavailable) and not error.status
        )
        if not silent:
            self._answered_at_s = self.clock.monotonic_s()
        raise _fresh(error)

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
        if outputs is None:
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
        self.jobs.append(job)
        self._by_id[job.remote_id] = job
        return job

    def _updated_s(self, job: FakeJob, moment_s: float) -> float:
        since_s, status = job.step_at(moment_s)
        if self.heartbeat_s and status not in ENDS:
            since_s += (moment_s - since_s) // self.heartbeat_s * self.heartbeat_s
        return since_s

    def _shown(self, job: FakeJob, moment_s: float) -> RemoteJob:
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
        )

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
                self._shown(job, moment_s)
                for job in sorted(seen, key=lambda job: (job.created_s, job.number))
                if self.time_at(job.created_s) > which.created_after
            ]
        else:
            after = which.updated_after
            chosen = [
                self._shown(job, moment_s)
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

    def _asset(self, asset_id: AssetId) -> RemoteAsset | None:
        now_s = self.clock.monotonic_s()
        content = self.files.get(asset_id)
        if content is None:
            return None
        since_s = self._uploaded_s.get(asset_id)
        author_id, pending_s = self.author_id, self.upload_pending_s
        if since_s is None:
            job = next((job for job in self.jobs if asset_id in job.asset_ids), None)
            since_s = 0.0 if job is None else job.ended_s
            author_id = self.author_id if job is None else job.author_id
            pending_s = self.asset_pending_s
        if since_s is None or since_s > now_s + 1e-9:
            return None
        ready = now_s >= since_s + pending_s
        self._signatures += 1
        return RemoteAsset(
            asset_id=asset_id,
            url=f"{CDN}/{asset_id}?Signature={self._signatures}&at={now_s}",
            is_ready=ready,
            has_failed=False,
            media_type="image/png",
            kind="image",
            size_bytes=len(content) if ready else None,
            author_id=author_id,
        )

    def _take_upload(self, content: bytes) -> AssetId:
        asset_id = AssetId(f"asset_up_{len(self._uploaded_s) + 1}")
        self.files[asset_id] = content
        self._uploaded_s[asset_id] = self.clock.monotonic_s()
        return asset_id

    def _described(self, upload_id: str) -> RemoteUpload:
        upload = self._uploads[upload_id]
        status, asset_id = "pending", None
        if upload.failed:
            status = "failed"
        elif upload.completed_s is not None:
            over = self.clock.monotonic_s() >= upload.completed_s + 0.2
            status = "imported" if over else "importing"
            asset_id = upload.asset_id if over else None
        parts = range(upload.parts if status == "pending" else 0)
        return RemoteUpload(
            upload_id=upload_id,
            status=status,
            asset_id=asset_id,
            parts=tuple(
                UploadPart(number=part + 1, url=_part_url(upload_id, part + 1))
                for part in parts
            ),
            error=upload.failed,
        )


# --- the CDN ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What the CDN sends instead of the file.

    Attributes:
        content: The bytes; None for those of the file.
        announced: The length it names: -1 for the true one, None for none.
        cut_at: So many bytes of it arrive.
        breaks: Raised after them.
    """

    content: bytes | None = None
    announced: int | None = -1
    cut_at: int | None = None
    breaks: Exception | None = None


class FakeTransfer:
    """The CDN of a ``FakeApi``.

    Attributes:
        reads: The URL of every download that was begun.
        writes: The URL of every part that was sent.
        lifetime_s: How long a signed URL is good.
        chunk_bytes: Bytes that arrive at a time.
        chunk_s: How long each of them takes, on the clock of the ``FakeApi``.
        open_now: Downloads under way.
        most_open: The highest number of them at one time.
        on_point: As for ``FakeApi``: "read", "read!" between chunks, "write".
    """

    def __init__(self, api: FakeApi, *, lifetime_s: float = 1e9) -> None:
        self._api = api
        self._next: deque[Body | Exception] = deque()
        self._next_writes: deque[Exception] = deque()
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.lifetime_s = lifetime_s
        self.chunk_bytes = 64
        self.chunk_s = 0.0
        self.open_now = 0
        self.most_open = 0
        self.gate: anyio.Event | None = None
        self.on_point: Point = lambda _name: None

    def answer_next(self, *answers: Body | Exception) -> None:
        """Let the next downloads go like this, one after the other."""
        self._next.extend(answers)

    def fail_next_writes(self, *errors: Exception) -> None:
        """Let the next parts fail like this."""
        self._next_writes.extend(errors)

    @asynccontextmanager
    async def read(
        self, url: str
    ) -> AsyncIterator[tuple[int | None, AsyncIterator[bytes]]]:
        self.reads.append(url)
        self.on_point("read")
        await anyio.lowlevel.checkpoint()
        answer = self._next.popleft() if self._next else Body()
        if isinstance(answer, Exception):
            raise answer
        path, _, query = url.removeprefix(f"{CDN}/").partition("?")
        signed_s = float(query.rpartition("at=")[2])
        if self._api.clock.monotonic_s() - signed_s > self.lifetime_s:
            raise UrlExpired("downloading: HTTP 403")
        content = self._api.files[AssetId(path)]
        if answer.content is not None:
            content = answer.content
        announced = len(content) if answer.announced == -1 else answer.announced
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            if self.gate is not None:
                await self.gate.wait()
            yield announced, self._chunks(content[: answer.cut_at], answer.breaks)
        finally:
            self.open_now -= 1

    async def write(self, url: str, content: bytes, media_type: str) -> None:
        assert media_type
        self.writes.append(url)
        self.on_point("write")
        await anyio.lowlevel.checkpoint()
        if self._next_writes:
            raise self._next_writes.popleft()
        self._api.parts[url] = content

    async def _chunks(
        self, content: bytes, breaks: Exception | None
    ) -> AsyncIterator[bytes]:
        for start in range(0, len(content), self.chunk_bytes):
            self.on_point("read!")
            await anyio.lowlevel.checkpoint()
            if self.chunk_s:
                await self._api.clock.sleep(self.chunk_s)
            yield content[start : start + self.chunk_bytes]
        if breaks is not None:
            raise breaks


def _position(token: str) -> int:
    """Where a page begins; a token that a test made up begins anew."""
    try:
        return int(token)
    except ValueError:
        return 0


def _part_url(upload_id: str, number: int) -> str:
    return f"https://parts.example/{upload_id}/{number}"


def _named_assets(inputs: Mapping[str, JsonValue]) -> Iterator[str]:
    for value in inputs.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, str) and inner.startswith("asset_"):
                yield inner


def _fresh(error: PipelineError) -> PipelineError:
    """The same error, without the traceback of an earlier raise."""
    return error.with_traceback(None)
