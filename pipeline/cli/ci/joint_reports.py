"""The end of several manifests' runs → one JUnit file, and what GitHub gets."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline.cli.ci.github import find_github
from pipeline.cli.ci.run_reports import RunEnd, RunReports
from pipeline.cli.console.printing import print_note
from pipeline.cli.console.subject import about
from pipeline.cli.options import RunOptions
from pipeline.errors import ExitCode, PipelineError
from pipeline.operations.join_reports import join_reports
from pipeline.operations.report_file import check_report_file
from pipeline.running.events import Event
from pipeline.running.joint import JointResult
from pipeline.running.progress import Progress


class JointReports:
    """Writes what CI asks for of a run of several manifests.

    Args:
        manifests: The YAML files.
        options: The options of the command.
        progress: Of all runs together.

    Raises:
        UsageError: ``--junit`` names another file of the user.
    """

    def __init__(
        self, manifests: Sequence[Path], options: RunOptions, progress: Progress
    ) -> None:
        self._options = options
        check_report_file(
            options.junit, "<testsuites", option="--junit", kind="a JUnit report"
        )
        self._files = {
            str(manifest): _part_of(options.junit, number)
            for number, manifest in enumerate(manifests)
        }
        self._parts = {
            str(manifest): RunReports(
                manifest,
                replace(options, junit=self._files[str(manifest)]),
                options.select,
                progress,
            )
            for manifest in manifests
        }

    def take(self, manifest: str, event: Event) -> None:
        """Note what the ledger of a manifest does not know."""
        self._parts[manifest].take(event)

    def write(
        self, result: JointResult | None, code: ExitCode, error: PipelineError | None
    ) -> PipelineError | None:
        """Write all reports.

        Args:
            result: Of the runs, or None if an error ended all of them.
            code: The exit code of the command.
            error: That error, or None.

        Returns:
            The error if ``--junit`` could not be written; it has not been told.
        """
        ends = {manifest: RunEnd(code=code, error=error) for manifest in self._parts}
        for outcome in result.outcomes if result is not None else ():
            ends[outcome.manifest] = RunEnd(
                code=outcome.exit_code, result=outcome.result, error=outcome.error
            )
        lost = None
        for manifest, reports in self._parts.items():
            with about(manifest):
                lost = reports.write(ends[manifest]) or lost
        self._set_outputs(result, code)
        return self._join() or lost

    def _join(self) -> PipelineError | None:
        target = self._options.junit
        files = [file for file in self._files.values() if file is not None]
        if target is None:
            return None
        try:
            join_reports([file for file in files if file.exists()], target)
        except PipelineError as error:
            return error
        finally:
            for file in files:
                with suppress(OSError):
                    file.unlink(missing_ok=True)
        return None

    def _set_outputs(self, result: JointResult | None, code: ExitCode) -> None:
        """Outputs of the step about all manifests, in the place of those about one."""
        github = find_github(os.environ)
        if github is None:
            return
        counts = {} if result is None else result.counts
        failed = sum(counts.get(one, 0) for one in ("failed", "blocked", "unknown"))
        values = {"exit-code": int(code), "failed": failed}
        if result is not None:
            values |= {"saved": counts.get("saved", 0)}
        try:
            github.set_outputs(
                {
                    **values,
                    "charged": "0" if result is None else f"{result.cost.charged:f}",
                    "junit": self._options.junit or "",
                }
            )
        except OSError as error:
            print_note(f"GitHub's file cannot be written: {error}")


def _part_of(junit: Path | None, number: int) -> Path | None:
    """The report of one manifest, beside that of all of them; None without one."""
    return None if junit is None else junit.with_name(f".{junit.name}.{number}")
