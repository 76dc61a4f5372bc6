"""``doctor``: checks everything a run needs; each line says ok or what to do."""

import os
import platform
import shutil
import sqlite3
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pipeline.activity import Activity
from pipeline.api.client import HttpApi
from pipeline.api.interface import GenerationApi, JobFilter
from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.printing import say
from pipeline.cli.console.text import one_line, printable
from pipeline.cli.emulated_models import find_emulated_model
from pipeline.clock import Clock, SystemClock
from pipeline.counting import plural
from pipeline.errors import (
    ExitCode,
    OutputError,
    PipelineError,
    Unavailable,
    UsageError,
)
from pipeline.manifest import validate_manifest
from pipeline.manifest.manifest import FindModel
from pipeline.operations.connection import (
    offline_catalog,
    service_of,
    wrong_address,
)
from pipeline.output.folder import open_for_reading, output_folder, try_writing
from pipeline.settings import Credentials, Settings
from pipeline.version import __version__

_LITTLE_SPACE_BYTES = 1 << 30
_MUCH_SKEW = timedelta(minutes=2)


class _Report:
    """Prints the results, and keeps the exit code of the first that is not ok."""

    def __init__(self) -> None:
        self.code = ExitCode.OK

    def ok(self, what: str, detail: str) -> None:
        say(f"ok    {what:<12} {one_line(detail)}")

    def note(self, what: str, detail: str) -> None:
        say(f"note  {what:<12} {one_line(detail, 300)}")

    def bad(self, what: str, error: PipelineError) -> None:
        say(f"BAD   {what:<12} {printable(error.message)}")
        hint = error.hint
        if isinstance(error, Unavailable):
            hint = hint or "check the network and SCENARIO_BASE_URL"
        if hint:
            say(f"      {'':<12} next: {printable(hint)}")
        if self.code is ExitCode.OK:
            away = isinstance(error, Unavailable)
            self.code = ExitCode.UNREACHABLE if away else error.exit_code


def doctor_command(
    manifest: Path | None, *, output: Path | None, emulate: bool, profile: str
) -> ExitCode:
    """Check one thing after the other; a failure does not stop the others."""
    report = _Report()
    report.ok(
        "versions",
        f"scenario-pipeline {__version__}, Python {platform.python_version()}, "
        f"aiohttp {version('aiohttp')}, SQLite {sqlite3.sqlite_version}",
    )
    report.ok("executors", _executors())
    folder = output or Path()
    if manifest is not None:
        try:
            models: FindModel = find_emulated_model
            if not emulate:
                models = offline_catalog(SystemClock(), os.environ).find
            loaded, count = validate_manifest(manifest, models=models, profile=profile)
            report.ok("manifest", f"{loaded.file}: {plural(count, 'item')}")
            folder = output_folder(loaded, output=output, emulate=emulate)
        except PipelineError as error:
            report.bad("manifest", error)
    _check_disk(report, folder)
    if folder.name:
        _check_ledger(report, folder)
    if emulate:
        report.ok("service", "the emulator needs nothing")
        return report.code
    try:
        _, credentials = service_of(os.environ, emulate=False)
    except PipelineError as error:
        report.bad("credentials", error)
        return report.code
    assert credentials is not None
    report.ok("credentials", f"found, for {credentials.base_url}")
    run_shown(partial(_check_service, report, credentials))
    return report.code


def _executors() -> str:
    """What ``--executor`` can be here."""
    processes = f"here, processes:{os.cpu_count() or 1}"
    if find_spec("distributed") is None:
        return f"{processes}; for dask: pip install 'scenario-pipeline[dask]'"
    return f"{processes}, dask:local (distributed {version('distributed')})"


async def _check_service(
    report: _Report, credentials: Credentials, activity: Activity
) -> None:
    clock = SystemClock()
    settings = Settings(read_timeout_s=10.0)
    try:
        service = HttpApi(credentials, settings, clock, activity=activity)
    except UsageError as error:  # a proxy setting in the environment is wrong
        report.bad("proxy", error)
        return
    async with service as api:
        try:
            limits = await api.find_limits()
            # The limits may be unreadable for many reasons, but not the project's jobs.
            await api.list_jobs(JobFilter(updated_after=api.service_now()))
        except PipelineError as error:
            wrong = wrong_address(credentials.base_url, error)
            report.bad("service", wrong or error)
            return
        report.ok("service", "answers and accepts the key")
        _check_clock(report, api, clock)
    project = credentials.project_id or "none set; the key's own project is used"
    report.ok("project", project)
    if limits.ceiling is None:
        report.note("ceiling", "the key may not read it; a run will find it out")
    else:
        report.ok("ceiling", f"{plural(limits.ceiling, 'job')} in flight")
    if limits.units_left is None:
        report.note("units", "the key may not read how many are left")
    else:
        report.ok("units", f"{plural(limits.units_left, 'compute unit')} left")


def _check_clock(report: _Report, api: GenerationApi, clock: Clock) -> None:
    skew = api.service_now() - clock.utc_now()
    if abs(skew) < _MUCH_SKEW:
        report.ok("clock", f"within {max(2, abs(skew).seconds)} s of the service's")
    else:
        seconds = round(skew.total_seconds())
        report.note(
            "clock", f"{seconds:+} s off the service's clock: set this machine's clock"
        )


def _check_disk(report: _Report, folder: Path) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        unsynced = try_writing(there)
    except OSError as error:
        report.bad("disk", _not_writable(there, error))
        return
    free_bytes = shutil.disk_usage(there).free
    text = f"{there}: {free_bytes / 1e9:,.1f} GB free"
    if free_bytes < _LITTLE_SPACE_BYTES:
        report.note("disk", f"{text}, which is not much")
    else:
        report.ok("disk", text)
    if unsynced:
        report.note("sync", unsynced)


def _not_writable(folder: Path, error: OSError) -> PipelineError:
    return OutputError(
        f"cannot write in {folder}: {error.strerror}", hint="choose another --output"
    )


def _check_ledger(report: _Report, folder: Path) -> None:
    try:
        with open_for_reading(folder) as ledger:
            counts = ledger.count_by_status()
    except PipelineError as error:
        report.bad("ledger", error)
        return
    text = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    report.ok("ledger", text or "nothing has been submitted yet")
