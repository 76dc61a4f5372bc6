"""A workshop: one manifest, one output folder and one service over several runs."""

import contextlib
import dataclasses
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from doubles.api import FakeApi
from doubles.quick_clock import QuickClock
from doubles.transfer import FakeTransfer
from pipeline.job import Job, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.manifest import load_manifest
from pipeline.models.record import load_shipped_model
from pipeline.models.schema import ModelSchema
from pipeline.output.rebuild import clear_leftovers
from pipeline.planning import Plan, Selection, make_plan
from pipeline.pricing import CostGroups, Estimate
from pipeline.record import replace
from pipeline.running.events import Event, Halted, JobChanged, Warned
from pipeline.running.result import RunResult
from pipeline.running.run import Run
from pipeline.running.session import Session
from pipeline.settings import Service, Settings
from pipeline.stages.identity import Identity
from pipeline.storage.atomic_file import PARTIAL_FOLDER, remove_partial_files
from pipeline.storage.folder import Folder

HEAD = "version: 1\nname: icons\nmodel: model_wan-2-7-image\nparams: {size: 1K}\n"
BASE_URL = "https://api.example/v1"
SETTINGS = Settings(
    settle_s=10.0,
    output_s=20.0,
    submit_timeout_s=5.0,
    first_contact_s=30.0,
    free_deadline_s=120.0,
)


class CountingWriter(LedgerWriter):
    """Says when a commit is under way, and passes a point before and after it."""

    def __init__(self, ledger: Ledger, on_point: Callable[[str], None]) -> None:
        super().__init__(ledger, linger_s=0.0)
        self.pending = 0
        self._on_point = on_point

    async def write(self, record, *arguments, **named):
        return await self._counted(super().write, record, *arguments, **named)

    async def write_patiently(self, record, *arguments, **named):
        return await self._counted(super().write_patiently, record, *arguments, **named)

    async def _counted(self, write, record, *arguments, **named):
        self._on_point(f"write {record.__name__}")
        await anyio.lowlevel.checkpoint()
        self.pending += 1
        try:
            result = await write(record, *arguments, **named)
        finally:
            self.pending -= 1
        self._on_point(f"write {record.__name__}!")
        await anyio.lowlevel.checkpoint()
        return result


class Workshop:
    """Runs the manifest again and again against the same service.

    Attributes:
        events: Of the latest run.
        current: The run under way.
        estimate: What the latest run was to cost.
        made_with: The digest of the API key of the next run.
        on_point: Called at every await point of our doubles; may cancel.
    """

    def __init__(self, folder: Path, clock: QuickClock) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.output.mkdir()
        self.clock = clock
        self.api = FakeApi(clock)
        self.transfer = FakeTransfer(self.api)
        self.settings = SETTINGS
        self.made_with = ""
        self.events: list[Event] = []
        self.current: Run | None = None
        self.estimate: Estimate | None = None
        self.on_point: Callable[[str], None] = lambda _name: None

    def write(self, items: str, *, files: dict[str, bytes] | None = None) -> None:
        """Write the manifest: what stands below its head."""
        for name, content in (files or {}).items():
            (self.folder / name).write_bytes(content)
        (self.folder / "icons.yaml").write_text(HEAD + items, encoding="utf-8")

    def write_items(self, *names: str, **params: Any) -> None:
        """One plain item a name; its prompt is its name."""
        extra = "".join(f", {name}: {value}" for name, value in params.items())
        lines = [f"  - {{id: {name}, prompt: {name}{extra}}}" for name in names]
        self.write("items:\n" + "\n".join(lines) + "\n")

    def plan(
        self, ledger: Ledger, groups: CostGroups | None = None, **selection: Any
    ) -> Plan:
        manifest = load_manifest(self.folder / "icons.yaml", models=self.models)
        return make_plan(
            manifest,
            Folder(self.output),
            ledger=ledger,
            selection=Selection(**selection),
            on_item=None if groups is None else groups.add,
        )

    @staticmethod
    def models(model_id: str) -> ModelSchema | None:
        """The shipped tables, with the flags that say what a price depends on."""
        schema = load_shipped_model(model_id)
        if schema is None:
            return None
        flags = {"prompt": False, "images": True, "numOutputs": True}
        inputs = {
            name: replace(entry, cost_impact=flags.get(name))
            for name, entry in schema.inputs.items()
        }
        return replace(schema, inputs=inputs)

    async def run(
        self,
        *,
        meanwhile: Callable[[Run], Any] | None = None,
        scope: anyio.CancelScope | None = None,
        **selection: Any,
    ) -> RunResult:
        """One run in a process of its own, with all its time.

        Args:
            meanwhile: Awaited beside the run.
            scope: Around the run; a cancelled one stands for a kill.
            selection: As of the command's options.
        """
        self.events = []
        self.api.forget_everything_answered()
        self._pass_points_on()
        remove_partial_files(self.output)
        path = self.output / LEDGER_NAME
        results: list[RunResult] = []
        with Ledger(path) as ledger, Ledger(path, read_only=True) as reader:
            clear_leftovers(
                ledger, Folder(self.output)
            )  # as whoever opens it for a run does
            groups = CostGroups()
            plan = self.plan(reader, groups, **selection)
            writer = CountingWriter(ledger, self.on_point)
            self.clock.is_busy = lambda: writer.pending > 0
            async with writer:
                session = self.open_session()
                run = self.current = Run(
                    plan,
                    session,
                    ledger=reader,
                    writer=writer,
                    settings=self.settings,
                    on_event=self.events.append,
                )
                done = anyio.Event()
                errors: list[BaseException] = []

                async def carry_out() -> None:
                    try:
                        with scope or contextlib.nullcontext():
                            self.estimate = await run.price(groups)
                            async with session.watching():
                                results.append(await run.carry_out(1))
                    except Exception as error:  # noqa: BLE001 - raised again below
                        errors.append(_only(error))
                    finally:
                        done.set()

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(carry_out)
                    if meanwhile is not None:
                        tasks.start_soon(meanwhile, run)
                    await self.clock.run_until(done)
                    tasks.cancel_scope.cancel()
        if errors:
            raise errors[0]
        return results[0] if results else None  # type: ignore[return-value]

    def leave_after(self, duration_s: float) -> Callable[[Run], Awaitable[None]]:
        """For ``meanwhile``: abandon the run when it is this old."""

        async def leave(run: Run) -> None:
            await self.clock.sleep(duration_s)
            run.abandon()

        return leave

    def open_session(self) -> Session:
        """One connection to the service."""
        identity = Identity(Service(base_url=BASE_URL), key_digest=self.made_with)
        return Session(self.api, self.transfer, self.clock, self.settings, identity)

    def _pass_points_on(self) -> None:
        for seam in (self.api, self.transfer, self.clock):
            seam.on_point = self.on_point

    # --- what it left ---------------------------------------------------------

    def job(self, item_id: str) -> Job:
        """The newest attempt of an item."""
        return self.attempts(item_id)[0]

    def attempts(self, item_id: str) -> list[Job]:
        """All attempts of an item, newest first."""
        with Ledger(self.output / LEDGER_NAME, read_only=True) as ledger:
            return ledger.find_jobs_of(item_id)

    def statuses(self) -> dict[str, str]:
        with Ledger(self.output / LEDGER_NAME, read_only=True) as ledger:
            return {
                job.item_id: str(job.status)
                for job in ledger.find_latest_jobs_in(*JobStatus)
            }

    def files(self) -> set[str]:
        """Everything in the output folder but the ledger."""
        return {
            path.relative_to(self.output).as_posix()
            for path in self.output.rglob("*")
            if path.is_file() and not path.name.startswith(LEDGER_NAME)
        }

    def partial_files(self) -> list[Path]:
        return [
            path for path in (self.output / PARTIAL_FOLDER).rglob("*") if path.is_file()
        ]

    def history(self, item_id: str) -> list[str]:
        """The statuses an item went through in the latest run."""
        return [
            str(event.status)
            for event in self.events
            if isinstance(event, JobChanged) and event.item_id == item_id
        ]

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def halts(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Halted)]

    def rewrite(self, item_id: str, **changes: Any) -> None:
        """Change a row behind everybody's back, as a kill at that instant would."""
        with Ledger(self.output / LEDGER_NAME) as ledger:
            job = ledger.find_jobs_of(item_id)[0]
            ledger._connection.execute(
                f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in changes)}"
                " WHERE row_id = ?",
                (*changes.values(), job.row_id),
            )

    def forget(self) -> None:
        """Lose the output folder with everything in it, as a fresh checkout has none."""
        shutil.rmtree(self.output)
        self.output.mkdir()

    def decide(self) -> None:
        """What a person does who looks unsure submits up in the web app."""
        with Ledger(self.output / LEDGER_NAME) as ledger:
            for job in list(ledger.find_latest_jobs_in(JobStatus.UNKNOWN)):
                ids = [made.remote_id for made in self.api.own_jobs]
                owned = ledger.find_owned(ids)
                found = [
                    made
                    for made in self.api.own_jobs
                    if made.remote_id not in owned
                    and (job.request or {}).items() <= made.inputs.items()
                ]
                if found:
                    ledger.record_submitted(replace(job, remote_id=found[0].remote_id))
                else:
                    ledger.record_planned(replace(job, mark_id=None))

    def set(self, **changes: Any) -> None:
        """Change settings of the next run."""
        self.settings = dataclasses.replace(self.settings, **changes)


def _only(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
