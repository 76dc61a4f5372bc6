"""Outcomes of items → a JUnit report: one case an item. Pure.

GitLab, Jenkins and GitHub's test reporters read it. There is no standard; this is the
part that they have in common.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

from pipeline.record import Struct
from pipeline.report.outcomes import ItemOutcome, Problem

# What XML 1.0 cannot hold, not even as a reference: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN = re.compile(r"[\w ./:@+-]*", re.ASCII)  # needs no escape; most do not
_COUNTS = ("tests", "failures", "errors", "skipped")
_ELEMENTS = {
    "failed": "failure",
    "unknown": "error",
    "in_flight": "error",
    "not_fetched": "error",
    "blocked": "skipped",  # the item that it needs is the failure
    "not_submitted": "skipped",
}


class RunFacts(Struct, frozen=True, kw_only=True):
    """What a JUnit report says of the whole run.

    Attributes:
        name: The manifest's name, and its profile.
        manifest: The manifest's path.
        output: The output folder.
        exit_code: Of the command.
        started_at: When the command began, in UTC.
        duration_s: How long it took.
        charged: Compute units that this run was charged.
        is_frozen: Whether every item was to be there already.
    """

    name: str
    manifest: str
    output: str = ""
    exit_code: int = 0
    started_at: datetime
    duration_s: float = 0.0
    charged: Decimal = Decimal(0)
    is_frozen: bool = False


class Suite(Struct, frozen=True, kw_only=True):
    """A suite of a report, as text.

    Attributes:
        text: The element.
        counts: Of its cases: tests, failures, errors, skipped.
        time_s: How long it took.
    """

    text: str
    counts: Counter[str]
    time_s: float


def render_report(suites: Sequence[Suite], *, name: str | None = None) -> str:
    """A whole report, XML with its declaration.

    Args:
        suites: At least one.
        name: Of the report, or None.
    """
    counts = sum((suite.counts for suite in suites), Counter())
    attributes = _attributes(
        name=name,
        **{key: counts[key] for key in _COUNTS},
        time=f"{max(suite.time_s for suite in suites):.3f}",
    )
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            f"<testsuites{attributes}>",
            *(suite.text for suite in suites),
            "</testsuites>",
            "",
        ]
    )


class JUnitReport:
    """Collects the cases of a suite, as text.

    Args:
        name: The manifest's name, and its profile: the suite of every case.
        is_frozen: Whether every item was to be there already; then one that was not
            made is a failure, not skipped.
    """

    def __init__(self, name: str, *, is_frozen: bool = False) -> None:
        self._name = name
        self._is_frozen = is_frozen
        self._cases: list[str] = []
        self._counts: Counter[str] = Counter()

    def add(self, outcome: ItemOutcome) -> None:
        """Add the case of an item."""
        element = _ELEMENTS.get(outcome.status, "")
        if self._is_frozen and outcome.status == "not_submitted":
            element = "failure"
        place = outcome.place
        attributes = _attributes(
            name=outcome.item_id,
            classname=self._name,
            file=place.file,
            line=place.line or None,
            time=f"{outcome.made_s if outcome.is_new else 0:.3f}",
        )
        lines = [f"<testcase{attributes}>", *_properties(_facts_of(outcome))]
        if element:
            self._counts[element] += 1
            kind = outcome.kind or outcome.status
            lines.append(
                _finding(element, kind, outcome.reason, outcome.hint, str(place))
            )
        lines.append("</testcase>")
        self._cases.append("\n".join(lines))

    def add_problem(self, problem: Problem) -> None:
        """Add the case of an error that ended the run, or of a fault."""
        self._counts["error"] += 1
        place = problem.place
        name = f"run: {place}" if place else "run"
        attributes = _attributes(
            name=name,
            classname=self._name,
            file=place.file if place else None,
            line=(place.line or None) if place else None,
            time="0.000",
        )
        where = str(place) if place else ""
        finding = _finding("error", "run", problem.message, problem.hint, where)
        self._cases.append(f"<testcase{attributes}>\n{finding}\n</testcase>")

    def render(self, facts: RunFacts) -> str:
        """A report with this suite alone."""
        return render_report([self.suite(facts)], name=facts.name)

    def suite(self, facts: RunFacts) -> Suite:
        """The suite."""
        counts = Counter(
            tests=len(self._cases),
            failures=self._counts["failure"],
            errors=self._counts["error"],
            skipped=self._counts["skipped"],
        )
        attributes = _attributes(
            name=facts.name,
            file=facts.manifest,
            timestamp=facts.started_at.strftime("%Y-%m-%dT%H:%M:%S"),
            **counts,
            time=f"{facts.duration_s:.3f}",
        )
        told = {
            "manifest": facts.manifest,
            "output": facts.output,
            "exit_code": facts.exit_code,
            "charged": facts.charged,
        }
        lines = [
            f"<testsuite{attributes}>",
            *_properties(told),
            *self._cases,
            "</testsuite>",
        ]
        return Suite(text="\n".join(lines), counts=counts, time_s=facts.duration_s)


def _facts_of(outcome: ItemOutcome) -> dict[str, object]:
    return {
        "status": outcome.status,
        "model": outcome.model,
        "charged": outcome.charged if outcome.attempts else "",
        "attempts": outcome.attempts or "",
        "generation_s": f"{outcome.made_s:.3f}" if outcome.made_s else "",
        "files": " ".join(outcome.files),
        "needs_review": outcome.review,
    }


def _finding(element: str, kind: str, reason: str, hint: str, place: str) -> str:
    """The element of a case that did not pass, readable in its message and its text."""
    text = [reason]
    text += [f"next: {hint}"] if hint else []
    text += [place] if place else []
    attributes = _attributes(message=reason, type=kind)
    return f"<{element}{attributes}>{escape(xml_text(chr(10).join(text)))}</{element}>"


def _properties(values: dict[str, object]) -> Iterator[str]:
    yield "<properties>"
    for name, value in values.items():
        if value not in {"", None}:
            yield f"<property{_attributes(name=name, value=value)}/>"
    yield "</properties>"


def _attributes(**values: object) -> str:
    text = ""
    for name, value in values.items():
        if value is not None:
            shown = str(value)
            is_plain = _PLAIN.fullmatch(shown) is not None
            quoted = f'"{shown}"' if is_plain else quoteattr(xml_text(shown))
            text += f" {name}={quoted}"
    return text


def xml_text(text: str) -> str:
    r"""The text with what XML cannot hold written as an escape, such as ``\x1b``."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
