"""The end of a run → a JUnit file, and on GitHub summary, annotations and outputs."""

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.cli.ci.github import GitHub, find_checkout, find_github
from pipeline.cli.ci.log import annotate, problems_of
from pipeline.cli.ci.places import find_picture_urls, place_in
from pipeline.cli.console.money import units_phrase
from pipeline.cli.console.printing import print_note
from pipeline.cli.console.text import duration, printable
from pipeline.cli.loading import load_opened
from pipeline.cli.next_step import complete_hint
from pipeline.cli.options import RunOptions
from pipeline.cli.run_summary import next_steps
from pipeline.errors import ExitCode, ManifestError, OutputError, PipelineError
from pipeline.manifest import Manifest
from pipeline.operations.items import read_items
from pipeline.operations.outcomes import outcome_of
from pipeline.operations.report_file import check_report_file, write_report_file
from pipeline.planning import Selection
from pipeline.record import Struct
from pipeline.redaction import SECRETS
from pipeline.report.junit import JUnitReport, RunFacts
from pipeline.report.markdown import code as as_code
from pipeline.report.outcomes import Outcomes, Place, Problem
from pipeline.report.step_summary import summary_lines
from pipeline.running.events import Blocked, Event
from pipeline.running.items import ItemRecord
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult
from pipeline.storage.store import Store


class RunEnd(Struct, kw_only=True):
    """How a command ended.

    Attributes:
        code: Its exit code.
        result: Of the run, or None if an error ended it.
        error: That error, or None.
    """

    code: ExitCode = ExitCode.BUG
    result: RunResult | None = None
    error: PipelineError | None = None


class RunReports:
    """Writes what CI asks for of one run.

    Args:
        manifest: The YAML file.
        options: The options of the command.
        globs: The items that the command was about.
        progress: Of the run; its clock says when the command began.
        environment: The process environment.

    Raises:
        UsageError: ``--junit`` names another file of the user.
    """

    def __init__(
        self,
        manifest: Path,
        options: RunOptions,
        globs: tuple[str, ...],
        progress: Progress,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._manifest = manifest
        self._options = options
        self._globs = globs
        self._progress = progress
        self._github = find_github(environment)
        self._checkout = find_checkout(environment)
        self._began_at = progress.clock.utc_now()
        self._blocked: dict[str, str] = {}
        self._began_s = progress.clock.monotonic_s()
        check_report_file(
            options.junit, "<testsuites", option="--junit", kind="a JUnit report"
        )

    @property
    def is_asked_for(self) -> bool:
        """Whether anybody reads a report."""
        return self._options.junit is not None or self._github is not None

    def take(self, event: Event) -> None:
        """Note what the ledger does not know: which items this run has blocked."""
        if isinstance(event, Blocked) and self.is_asked_for:
            self._blocked[event.item_id] = event.reason

    def write(self, end: RunEnd) -> PipelineError | None:
        """Write all reports.

        Returns:
            The error if ``--junit`` could not be written; it has not been told.
        """
        if not self.is_asked_for:
            return None
        outcomes = Outcomes(problems=self._problems(end))
        name, folder = self._manifest.stem, self._options.output
        junit = JUnitReport(name)
        try:
            if not isinstance(end.error, ManifestError):
                loaded, store = self._load()
                folder = store.home
                profile = f" ({loaded.profile})" if loaded.profile else ""
                name = f"{loaded.name}{profile}"
                junit = JUnitReport(name, is_frozen=self._options.frozen)
                self._read(loaded, store, outcomes, junit)
        except PipelineError as error:
            if end.error is None:  # such as a manifest that was edited meanwhile
                outcomes.problems.append(Problem(message=printable(error.message)))
        for problem in outcomes.problems:
            junit.add_problem(problem)
        facts = RunFacts(
            name=name,
            manifest=str(self._place(str(self._manifest))),
            output=str(folder or ""),
            exit_code=int(end.code),
            started_at=self._began_at,
            duration_s=self._progress.clock.monotonic_s() - self._began_s,
            charged=end.result.cost.charged if end.result else self._progress.charged,
        )
        if self._github is not None:
            self._tell_github(self._github, outcomes, facts, end)
        return self._write_junit(junit.render(facts))

    def _load(self) -> tuple[Manifest, Store]:
        options = self._options
        return load_opened(
            self._manifest,
            store=options.store,
            output=options.output,
            emulate=options.emulate,
            allow_outside=options.allow_outside,
            profile=options.profile,
        )

    def _read(
        self, loaded: Manifest, store: Store, outcomes: Outcomes, junit: JUnitReport
    ) -> None:
        has_cases = self._options.junit is not None

        def take(record: ItemRecord) -> None:
            outcome = outcome_of(
                record,
                since=self._began_at,
                blocked=self._blocked,
                place=self._place,
                clean=printable,
                on_hint=complete_hint,
            )
            outcomes.add(outcome)
            if has_cases:
                junit.add(outcome)

        read_items(
            loaded,
            store,
            emulate=self._options.emulate,
            selection=Selection(globs=self._globs),
            on_item=take,
        )

    def _place(self, file: str, line: int = 0, column: int = 0) -> Place:
        return place_in(self._checkout, file, line, column)

    def _problems(self, end: RunEnd) -> list[Problem]:
        error, halted = end.error, self._progress.halted
        if isinstance(error, ManifestError):
            return problems_of(error, self._checkout)
        if error is not None:
            hint = complete_hint(error.hint)
            return [Problem(message=printable(error.message), hint=printable(hint))]
        if halted is not None and end.code is not ExitCode.OK:
            hint = complete_hint(halted.hint)
            message = f"stopped submitting: {halted.reason}"
            return [Problem(message=printable(message), hint=printable(hint))]
        return []

    def _tell_github(
        self, github: GitHub, outcomes: Outcomes, facts: RunFacts, end: RunEnd
    ) -> None:
        # The faults of a manifest are marked where they are told: by every command.
        if not isinstance(end.error, ManifestError):
            annotate(outcomes)
        shown = [
            as_code(facts.output),
            f"{units_phrase(facts.charged)} charged{_refunded(end)}",
            duration(facts.duration_s),
            f"exit code {facts.exit_code} (<code>{end.code.name}</code>)",
        ]
        if self._options.emulate:
            shown.append("emulated: nothing is real, nothing is spent")
        steps = []
        if end.result is not None:
            steps = list(next_steps(self._progress, end.result, self._options))
        pictures = (path for one in outcomes.worst for path in one.pictures)
        try:
            github.add_summary(
                summary_lines(
                    outcomes,
                    name=facts.name,
                    facts=shown,
                    next_steps=steps,
                    is_ok=end.code is ExitCode.OK,
                    urls=find_picture_urls(github, pictures),
                )
            )
            github.set_outputs(self._outputs(outcomes, facts))
        except OSError as error:
            print_note(f"GitHub's file cannot be written: {error}")

    def _outputs(self, outcomes: Outcomes, facts: RunFacts) -> dict[str, object]:
        counts = outcomes.counts
        return {
            "exit-code": facts.exit_code,
            "saved": outcomes.made_count,
            "in-place": counts["saved"],
            "failed": counts["failed"] + counts["blocked"] + counts["unknown"],
            "charged": f"{facts.charged:f}",
            "output-folder": facts.output,
            "junit": self._options.junit or "",
        }

    def _write_junit(self, text: str) -> PipelineError | None:
        path = self._options.junit
        if path is None:
            return None
        try:
            write_report_file(path, SECRETS.clean(text), option="--junit")
        except OutputError as error:
            return error
        return None


def _refunded(end: RunEnd) -> str:
    if end.result is None or not end.result.cost.refunded:
        return ""
    return f", {units_phrase(end.result.cost.refunded)} refunded"
