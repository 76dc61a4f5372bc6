"""The end of a run → a JUnit file, and on GitHub summary, annotations and outputs."""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from pipeline.cli.ci.github import GitHub, find_checkout, find_github
from pipeline.cli.ci.log import annotate
from pipeline.cli.ci.manifest_report import ManifestReport, RunEnd
from pipeline.cli.ci.places import find_picture_urls
from pipeline.cli.console.money import units_phrase
from pipeline.cli.console.printing import print_note
from pipeline.cli.console.text import duration, printable
from pipeline.cli.next_step import complete_hint
from pipeline.cli.options import RunOptions
from pipeline.cli.run_summary import next_steps
from pipeline.counting import plural
from pipeline.errors import ExitCode, ManifestError, OutputError, PipelineError
from pipeline.operations.report_file import check_report_file, write_report_file
from pipeline.record import Struct
from pipeline.redaction import SECRETS
from pipeline.report.junit import render_report
from pipeline.report.markdown import code as as_code
from pipeline.report.outcomes import Outcomes, Problem
from pipeline.report.step_summary import ManifestRow, summary_lines
from pipeline.running.joint import JointResult
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult

_FOLDERS_NAMED = 3


class CommandEnd(Struct, kw_only=True):
    """How a command ended that has run one manifest or several.

    Attributes:
        code: Its exit code.
        result: Of the run or of the runs; None if an error ended all.
        error: That error, or None.
    """

    code: ExitCode = ExitCode.BUG
    result: RunResult | JointResult | None = None
    error: PipelineError | None = None

    def of(self, manifest: str) -> RunEnd:
        """How the run of one manifest ended.

        Args:
            manifest: Its path, as the user gave it.
        """
        if isinstance(self.result, JointResult):
            own = next(one for one in self.result.outcomes if one.manifest == manifest)
            return RunEnd(code=own.exit_code, result=own.result, error=own.error)
        return RunEnd(code=self.code, result=self.result, error=self.error)


class RunReports:
    """Writes what CI asks for of one run, or of the runs of several manifests.

    Args:
        manifests: The YAML files; at least one.
        options: The options of the command.
        globs: The items that the command was about.
        progress: Of all runs; its clock says when the command began.
        environment: The process environment.

    Raises:
        UsageError: ``--junit`` names another file of the user.
    """

    def __init__(
        self,
        manifests: Sequence[Path],
        options: RunOptions,
        globs: tuple[str, ...],
        progress: Progress,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._options = options
        self._progress = progress
        self._github = find_github(environment)
        self._began_at = progress.clock.utc_now()
        self._began_s = progress.clock.monotonic_s()
        checkout = find_checkout(environment)
        self._parts = {
            str(manifest): ManifestReport(
                manifest,
                options,
                globs,
                checkout,
                is_one_of_several=len(manifests) > 1,
            )
            for manifest in manifests
        }
        check_report_file(
            options.junit, "<testsuites", option="--junit", kind="a JUnit report"
        )

    def write(self, end: CommandEnd) -> PipelineError | None:
        """Write all reports.

        Returns:
            The error if ``--junit`` could not be written; it has not been told.
        """
        if self._options.junit is None and self._github is None:
            return None
        whole = Outcomes()
        halted = self._halted(end)
        for manifest, part in self._parts.items():
            part.read(
                end.of(manifest), since=self._began_at, whole=whole, halted=halted
            )
        duration_s = self._progress.clock.monotonic_s() - self._began_s
        if self._github is not None:
            self._tell_github(self._github, whole, end, duration_s)
        return self._write_junit(end, duration_s)

    def _halted(self, end: CommandEnd) -> Problem | None:
        """What stopped the runs, if no error has ended them."""
        halted = self._progress.halted
        if halted is None or end.error is not None or end.code is ExitCode.OK:
            return None
        message = f"stopped submitting: {halted.reason}"
        hint = printable(complete_hint(halted.hint))
        return Problem(message=printable(message), hint=hint)

    def _charged(self, end: CommandEnd) -> Decimal:
        return end.result.cost.charged if end.result else self._progress.charged

    def _tell_github(
        self, github: GitHub, whole: Outcomes, end: CommandEnd, duration_s: float
    ) -> None:
        # The faults of a manifest are marked where they are told: by every command.
        if not isinstance(end.error, ManifestError):
            annotate(whole)
        pictures = (path for one in whole.worst for path in one.pictures)
        parts = [*self._parts.values()]
        steps = []
        if end.result is not None:
            steps = list(next_steps(self._progress, end.result, self._options))
        name = parts[0].name
        if len(parts) > 1:
            name = plural(len(parts), "manifest")
        try:
            github.add_summary(
                summary_lines(
                    whole,
                    name=name,
                    facts=self._facts(end, duration_s),
                    next_steps=steps,
                    is_ok=end.code is ExitCode.OK,
                    urls=find_picture_urls(github, pictures),
                    manifests=self._rows(end) if len(parts) > 1 else (),
                )
            )
            github.set_outputs(self._outputs(whole, end))
        except OSError as error:
            print_note(f"GitHub's file cannot be written: {error}")

    def _facts(self, end: CommandEnd, duration_s: float) -> list[str]:
        folders = [str(part.folder or "") for part in self._parts.values()]
        named = " ".join(map(as_code, folders[:_FOLDERS_NAMED]))
        facts = [
            named + " …" * (len(folders) > _FOLDERS_NAMED),
            f"{units_phrase(self._charged(end))} charged{_refunded(end)}",
            duration(duration_s),
            f"exit code {end.code:d} (<code>{end.code.name}</code>)",
        ]
        if self._options.emulate:
            facts.append("emulated: nothing is real, nothing is spent")
        return facts

    def _rows(self, end: CommandEnd) -> list[ManifestRow]:
        rows = []
        for manifest, part in self._parts.items():
            own = end.of(manifest)
            rows.append(
                ManifestRow(
                    name=part.name,
                    counts=part.counts,
                    charged=own.result.cost.charged if own.result else Decimal(0),
                    exit_code=int(own.code),
                )
            )
        return rows

    def _outputs(self, whole: Outcomes, end: CommandEnd) -> dict[str, object]:
        counts = whole.counts
        folders = (str(part.folder or "") for part in self._parts.values())
        return {
            "exit-code": int(end.code),
            "saved": whole.made_count,
            "in-place": counts["saved"],
            "failed": counts["failed"] + counts["blocked"] + counts["unknown"],
            "charged": f"{self._charged(end):f}",
            "output-folder": "\n".join(folders),
            "junit": self._options.junit or "",
        }

    def _write_junit(self, end: CommandEnd, duration_s: float) -> PipelineError | None:
        path = self._options.junit
        if path is None:
            return None
        suites = [
            part.suite(
                end.of(manifest),
                since=self._began_at,
                duration_s=duration_s,
                charged=self._progress.charged,
            )
            for manifest, part in self._parts.items()
        ]
        names = [part.name for part in self._parts.values()]
        text = render_report(suites, name=names[0] if len(names) == 1 else None)
        try:
            write_report_file(path, SECRETS.clean(text), option="--junit")
        except OutputError as error:
            return error
        return None


def _refunded(end: CommandEnd) -> str:
    if end.result is None or not end.result.cost.refunded:
        return ""
    return f", {units_phrase(end.result.cost.refunded)} refunded"
