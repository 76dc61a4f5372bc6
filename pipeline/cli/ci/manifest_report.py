"""One manifest of a run, as it stands at the end → its part of the reports to CI."""

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pipeline.cli.ci.log import problems_of
from pipeline.cli.ci.places import Places
from pipeline.cli.console.subject import about
from pipeline.cli.console.text import printable
from pipeline.cli.loading import load_opened
from pipeline.cli.next_step import complete_hint
from pipeline.cli.options import RunOptions
from pipeline.errors import ExitCode, ManifestError, PipelineError
from pipeline.manifest import Manifest
from pipeline.operations.items import read_items
from pipeline.operations.outcomes import outcome_of
from pipeline.planning import Selection
from pipeline.record import Struct, replace
from pipeline.report.junit import JUnitReport, RunFacts, Suite
from pipeline.report.outcomes import Outcomes, Place, Problem
from pipeline.running.items import ItemRecord
from pipeline.running.result import RunResult


class RunEnd(Struct, kw_only=True):
    """How the run of a manifest ended.

    Attributes:
        code: Its exit code.
        result: Of the run, or None if an error ended it.
        error: That error, or None.
    """

    code: ExitCode = ExitCode.BUG
    result: RunResult | None = None
    error: PipelineError | None = None


class ManifestReport:
    """Reads how the items of one manifest stand.

    Args:
        manifest: The YAML file.
        options: The options of the command.
        globs: The items that the command was about.
        checkout: The folder of the repository, or None.
        is_one_of_several: Whether its items are shown with its name.

    Attributes:
        name: The manifest's name, and its profile.
        folder: Its output folder, or None if it is not known.
        counts: Its items by status.
    """

    def __init__(
        self,
        manifest: Path,
        options: RunOptions,
        globs: tuple[str, ...],
        checkout: Path | None,
        *,
        is_one_of_several: bool,
    ) -> None:
        self._manifest = manifest
        self._options = options
        self._globs = globs
        self._checkout = checkout
        self._is_one_of_several = is_one_of_several
        self._junit = JUnitReport(manifest.stem)
        self._places = Places(checkout)
        self.name = manifest.stem
        self.folder = options.output
        self.counts: Counter[str] = Counter()

    def read(
        self, end: RunEnd, *, since: datetime, whole: Outcomes, halted: Problem | None
    ) -> None:
        """Read how its items stand.

        Args:
            end: How its run ended.
            since: When the command began, in UTC.
            whole: Gets the items and problems too.
            halted: What stopped the run, or None.
        """
        several = self._is_one_of_several
        with about(str(self._manifest)) if several else nullcontext():
            problems = problems_at(end, self._checkout)
            if not problems and halted is not None:
                problems = [halted]
            try:
                if not isinstance(end.error, ManifestError):
                    self._read(since, whole)
            except PipelineError as error:
                if end.error is None:  # such as a manifest that was edited meanwhile
                    problems.append(Problem(message=printable(error.message)))
            # What has stopped all of several is told once.
            problems = [one for one in problems if one not in whole.problems]
            for problem in problems:
                self._junit.add_problem(problem)
            whole.problems += problems

    def suite(
        self, end: RunEnd, *, since: datetime, duration_s: float, charged: Decimal
    ) -> Suite:
        """Its suite in a JUnit report.

        Args:
            end: How its run ended.
            since: When the command began, in UTC.
            duration_s: How long the command took.
            charged: What was charged, if there is no result.
        """
        facts = RunFacts(
            name=self.name,
            manifest=str(self._place(str(self._manifest))),
            output=str(self.folder or ""),
            exit_code=int(end.code),
            started_at=since,
            duration_s=duration_s,
            charged=end.result.cost.charged if end.result else charged,
        )
        return self._junit.suite(facts)

    def _read(self, since: datetime, whole: Outcomes) -> None:
        options = self._options
        loaded, store = load_opened(
            self._manifest,
            store=options.store,
            output=options.output,
            emulate=options.emulate,
            allow_outside=options.allow_outside,
            profile=options.profile,
        )
        self.folder = store.home
        self.name = _name_of(loaded)
        self._junit = JUnitReport(self.name, is_frozen=options.frozen)
        read_items(
            loaded,
            store,
            emulate=options.emulate,
            selection=Selection(globs=self._globs),
            on_item=self._taking(since, whole),
        )

    def _taking(self, since: datetime, whole: Outcomes) -> Callable[[ItemRecord], None]:
        has_cases = self._options.junit is not None

        def take(record: ItemRecord) -> None:
            outcome = outcome_of(
                record,
                since=since,
                place=self._place,
                clean=printable,
                on_hint=complete_hint,
            )
            self.counts[outcome.status] += 1
            if has_cases:
                self._junit.add(outcome)
            if self._is_one_of_several:
                named = f"{self.name}: {outcome.item_id}"
                outcome = replace(outcome, item_id=named)
            whole.add(outcome)

        return take

    def _place(self, file: str, line: int = 0, column: int = 0) -> Place:
        return self._places.find(file, line, column)


def problems_at(end: RunEnd, checkout: Path | None) -> list[Problem]:
    """The error that ended a run, as problems; none if there was no error."""
    error = end.error
    if error is None:
        return []
    if isinstance(error, ManifestError):
        return problems_of(error, checkout)
    hint = printable(complete_hint(error.hint))
    return [Problem(message=printable(error.message), hint=hint)]


def _name_of(loaded: Manifest) -> str:
    return f"{loaded.name} ({loaded.profile})" if loaded.profile else loaded.name
