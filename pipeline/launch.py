"""The public entry points: a manifest's path → a Plan, a finished run, a status.

Real objects are built once, here, and passed down: credentials, lock, ledger, API,
emulator. Usable from a notebook (``await run(...)``), a program and the command line
alike; prints nothing.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

from pipeline.api.interface import FileTransfer, GenerationApi
from pipeline.atomic_file import FOLDER_MODE, remove_partial_files, storage_errors
from pipeline.clock import Clock, SystemClock
from pipeline.errors import ExitCode, LedgerBusy, PipelineError, UsageError
from pipeline.events import Launched, ProgressCallback
from pipeline.job import JobStatus
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.manifest import Manifest, load_manifest
from pipeline.model import load_shipped_model
from pipeline.planning import Action, Plan, PlannedItem, Selection, make_plan
from pipeline.rebuild import find_asset_names, open_for_writing, rebuild
from pipeline.running.run import Run, RunResult
from pipeline.settings import (
    Credentials,
    Settings,
    find_credentials,
    load_dotenv,
    load_keyring,
)
from pipeline.version import __version__

LOCK_NAME = "ledger.lock"
OUTPUT_ROOT = Path("output")
EMULATOR_NAME = "emulator"  # stands for its base URL, whose port changes every time
EMULATOR_STATE_NAME = "emulator.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which service a ledger is bound to.

    Attributes:
        base_url: Of the API, or ``EMULATOR_NAME``.
        project_id: Or "".
    """

    base_url: str
    project_id: str


def output_folder(
    manifest: Manifest, *, output: str | os.PathLike[str] | None, emulate: bool
) -> Path:
    """Where a manifest's assets go: ``output/<name>``, emulated ones apart."""
    if output is not None:
        return Path(output)
    name = f"{manifest.name}.emulated" if emulate else manifest.name
    return OUTPUT_ROOT / name


def plan(
    manifest: str | os.PathLike[str] | Manifest,
    *,
    output: str | os.PathLike[str] | None = None,
    emulate: bool = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    on_item: Callable[[PlannedItem], None] | None = None,
) -> Plan:
    """What :func:`run` would do to each item and why; touches nothing.

    Args:
        manifest: The YAML file, or what :func:`load_manifest` made of it.
        output: The output folder, or None for ``output/<name>``.
        emulate: Whether the run would use the emulator.
        selection: Which items the command is about.
        on_item: Called with each item in the order of the manifest.

    Raises:
        ManifestError: Every fault at once.
        LedgerError: The ledger cannot be read.
    """
    loaded = _loaded(manifest)
    folder = output_folder(loaded, output=output, emulate=emulate)
    with open_for_reading(folder) as ledger:
        return make_plan(
            loaded,
            folder,
            ledger=ledger,
            selection=selection,
            models=load_shipped_model,
            on_item=on_item,
        )


async def run(
    manifest: str | os.PathLike[str] | Manifest,
    *,
    output: str | os.PathLike[str] | None = None,
    emulate: bool = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    on_event: ProgressCallback = lambda _event: None,
    on_start: Callable[[Run], None] = lambda _run: None,
) -> RunResult:
    """Plan, then carry it out; finished items are left alone.

    Args:
        manifest: The YAML file, or what :func:`load_manifest` made of it.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator inside this process and use it: spends nothing.
        selection: Which items the command is about.
        settings: Limits and timeouts.
        credentials: Taken from the environment or ``.env`` when None.
        clock: Whose time is spent; the machine's when None.
        on_event: Called on the event loop with every change once it is durable.
        on_start: Called with the run before it begins, to stop it later.

    Returns:
        How it ended; failures of items are no exceptions.

    Raises:
        InputError: Something a person wrote has to change; nothing has started.
        RunError: The run had to stop; the ledger is intact, run again.
    """
    loaded = _loaded(manifest)
    clock = clock or SystemClock()
    service, credentials = service_of(
        os.environ, emulate=emulate, credentials=credentials
    )
    folder = output_folder(loaded, output=output, emulate=emulate)
    with holding_output(folder, service) as (ledger, reader):
        # Before the plan: damage that is found in planning has to leave a trace.
        run_id = ledger.record_run_started(clock.utc_now())
        result: RunResult | None = None
        code = ExitCode.BUG
        try:
            plan = await anyio.to_thread.run_sync(
                partial(
                    make_plan,
                    loaded,
                    folder,
                    ledger=reader,
                    selection=selection,
                    models=load_shipped_model,
                )
            )
            if _has_nothing_to_do(plan, reader):
                result = _nothing_done(plan, run_id, on_event)
            else:
                result = await _carry_out(
                    plan,
                    run_id,
                    ledger=ledger,
                    reader=reader,
                    service=service,
                    credentials=credentials,
                    clock=clock,
                    settings=settings,
                    on_event=on_event,
                    on_start=on_start,
                )
            code = result.exit_code
        except PipelineError as error:
            code = error.exit_code
            raise
        finally:
            ledger.record_run_ended(run_id, clock.utc_now(), code)
        return result


async def _carry_out(
    plan: Plan,
    run_id: int,
    *,
    ledger: Ledger,
    reader: Ledger,
    service: Service,
    credentials: Credentials | None,
    clock: Clock,
    settings: Settings,
    on_event: ProgressCallback,
    on_start: Callable[[Run], None],
) -> RunResult:
    try:
        async with (
            connected(credentials, settings, clock, plan.output) as (api, transfer),
            LedgerWriter(ledger) as writer,
        ):
            run = Run(
                plan,
                api=api,
                transfer=transfer,
                ledger=reader,
                writer=writer,
                clock=clock,
                settings=settings,
                base_url=service.base_url,
                project_id=service.project_id,
                emulated=service.base_url == EMULATOR_NAME,
                on_event=on_event,
            )
            on_start(run)
            return await run.carry_out(run_id)
    except BaseExceptionGroup as group:
        raise _only(group) from None


def service_of(
    environment: Mapping[str, str],
    *,
    emulate: bool,
    credentials: Credentials | None = None,
) -> tuple[Service, Credentials | None]:
    """Which service to use, and the credentials for it; None for the emulator.

    Args:
        environment: Of the process, read when no credentials are given.
        emulate: Whether to use the emulator.
        credentials: Given by the caller, or None.

    Raises:
        UsageError: No credentials, or a base URL that is not safe.
    """
    if emulate:
        return Service(base_url=EMULATOR_NAME, project_id=""), None
    credentials = credentials or find_credentials(
        environment, load_dotenv(Path()), load_keyring
    )
    service = Service(base_url=credentials.base_url, project_id=credentials.project_id)
    return service, credentials


@asynccontextmanager
async def connected(
    credentials: Credentials | None, settings: Settings, clock: Clock, output: Path
) -> AsyncIterator[tuple[GenerationApi, FileTransfer]]:
    """The service and its CDN; the emulator's, started here, without credentials."""
    from pipeline.api.cdn import HttpTransfer  # noqa: PLC0415 - aiohttp, 250 ms
    from pipeline.api.client import HttpApi  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        if credentials is None:
            credentials = await _start_emulator(stack, output, clock)
        api = await stack.enter_async_context(HttpApi(credentials, settings, clock))
        transfer = await stack.enter_async_context(
            HttpTransfer(settings, loopback=credentials.is_loopback)
        )
        yield api, transfer


@contextmanager
def holding_output(folder: Path, service: Service) -> Iterator[tuple[Ledger, Ledger]]:
    """The output folder for oneself: its ledger for writing, and for reading.

    Raises:
        LedgerBusy: A run is at work in it.
        UsageError: It belongs to another service or project.
        LedgerError, OutputError: It cannot be used.
    """
    with _locked(folder), _opened(folder, service) as ledgers:
        yield ledgers


async def _start_emulator(
    stack: AsyncExitStack, output: Path, clock: Clock
) -> Credentials:
    from pipeline.emulator.server import Emulator  # noqa: PLC0415

    emulator = await stack.enter_async_context(
        Emulator(clock=clock, state_file=output / EMULATOR_STATE_NAME)
    )
    return Credentials(
        key="emulated",
        secret="emulated",  # noqa: S106 - the emulator takes any
        base_url=emulator.base_url,
    )


def _loaded(manifest: str | os.PathLike[str] | Manifest) -> Manifest:
    return manifest if isinstance(manifest, Manifest) else load_manifest(manifest)


def _has_nothing_to_do(plan: Plan, ledger: Ledger) -> bool:
    counts = ledger.count_by_status()
    unfinished = (JobStatus.SUBMITTED, JobStatus.SUBMITTING, JobStatus.UNKNOWN)
    return plan.to_do == 0 and not any(counts.get(status) for status in unfinished)


def _nothing_done(plan: Plan, run_id: int, on_event: ProgressCallback) -> RunResult:
    done, skipped = plan.counts[Action.DONE], plan.counts[Action.SKIP]
    on_event(
        Launched(
            run_id=run_id,
            total=plan.total,
            done=done,
            skipped=skipped,
            to_submit=0,
            ceiling=None,
        )
    )
    return RunResult(
        exit_code=ExitCode.ITEMS_FAILED if skipped else ExitCode.OK,
        counts={"done": done, "skipped": skipped},
        submitted=0,
        stopped_by=None,
    )


@contextmanager
def open_for_reading(folder: Path) -> Iterator[Ledger]:
    """What is remembered of an output folder, while a run may be at work in it.

    Without a ledger it is what the sidecars say.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    path = folder / LEDGER_NAME
    if path.is_file():
        with Ledger(path, read_only=True) as ledger:
            if ledger.find_paths().issuperset(find_asset_names(folder)):
                yield ledger
                return
            # It is older than the sidecars: show what a run would find.
            with ledger.copy_in_memory() as copy:
                rebuild(copy, folder)
                yield copy
        return
    with Ledger(IN_MEMORY) as ledger:
        if folder.is_dir():
            rebuild(ledger, folder)
        yield ledger


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the output folder: one run at a time. The lock dies with the process.

    Raises:
        LedgerBusy: Another run holds it.
        OutputError: The folder cannot be made.
    """
    with storage_errors(folder):
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_NAME, mode=0o644)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise LedgerBusy(
                f"another run is at work in {folder}",
                hint="wait for it to end, or choose another --output",
            ) from None
    try:
        remove_partial_files(folder)
        yield
        remove_partial_files(folder)
    finally:
        lock.release()


@contextmanager
def _opened(folder: Path, service: Service) -> Iterator[tuple[Ledger, Ledger]]:
    """The ledger for writing and again for reading, bound to one service."""
    with open_for_writing(folder) as ledger:
        _bind(ledger, service, folder)
        with Ledger(folder / LEDGER_NAME, read_only=True) as reader:
            yield ledger, reader


def _bind(ledger: Ledger, service: Service, folder: Path) -> None:
    """Refuse a ledger that was made with another service or project.

    Raises:
        UsageError: It was.
    """
    meta: Mapping[str, str] = ledger.find_meta()
    bound = meta if "base_url" in meta else ledger.find_origin()
    for key, value, word in (
        ("base_url", service.base_url, "service"),
        ("project_id", service.project_id, "project"),
    ):
        if bound and bound.get(key, "") != value:
            raise UsageError(
                f"{folder} belongs to the {word} {bound.get(key) or '(none named)'}, "
                f"not to {value or '(none named)'}",
                hint="choose another --output, or set the environment back",
            )
    if "base_url" not in meta:
        ledger.record_meta("base_url", service.base_url)
        ledger.record_meta("project_id", service.project_id)
        ledger.record_meta("tool", f"scenario-pipeline {__version__}")


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that matters of what the task groups gathered.

    A RunError explains the rest; a single error is raised as itself; several bugs
    stay together.
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
        return errors[0]
    return bugs[0] if len(bugs) == 1 else group
