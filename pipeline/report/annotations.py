"""Outcomes of items → GitHub's annotations: at most ten, the worst first. Pure.

GitHub shows ten errors and ten warnings of a step, and drops the others silently.
Source: https://github.com/actions/toolkit/blob/main/docs/problem-matchers.md
"""

from collections.abc import Iterator
from itertools import islice

from pipeline.report.outcomes import ItemOutcome, Outcomes, Place, Problem

MOST_ANNOTATIONS = 10
_ERRORS = {"unknown", "failed"}
_LONGEST_MESSAGE = 1000  # in characters; GitHub shows about as many


def render_annotations(outcomes: Outcomes) -> list[str]:
    """The workflow commands, one a line."""
    return list(islice(_annotations(outcomes), MOST_ANNOTATIONS))


def _annotations(outcomes: Outcomes) -> Iterator[str]:
    for problem in outcomes.problems:
        yield _of_problem(problem)
    for outcome in outcomes.worst:
        level = "error" if outcome.status in _ERRORS else "warning"
        yield _of_item(level, outcome, outcome.reason, outcome.hint)
    for outcome in outcomes.reviews:
        yield _of_item("warning", outcome, f"needs review: {outcome.review}", "")


def _of_problem(problem: Problem) -> str:
    return workflow_command(
        "error",
        _message(problem.message, problem.hint),
        **_properties(problem.place),
        title="pipeline",
    )


def _of_item(level: str, outcome: ItemOutcome, reason: str, hint: str) -> str:
    place = outcome.place
    message = _message(f"{outcome.item_id}: {reason}", hint)
    if not place.is_inside:
        message = f"{message}\n{place}"
    return workflow_command(
        level, message, **_properties(place), title=outcome.item_id[:100]
    )


def _message(text: str, hint: str) -> str:
    whole = f"{text}\nnext: {hint}" if hint else text
    return whole[:_LONGEST_MESSAGE]


def _properties(place: Place | None) -> dict[str, object]:
    if place is None or not place.is_inside:
        return {}
    numbers = {"line": place.line, "col": place.column}
    return {"file": place.file} | {key: one for key, one in numbers.items() if one}


def workflow_command(name: str, message: str = "", **properties: object) -> str:
    """``::error file=icons.yaml,line=12::text``, with everything escaped.

    Source of the rules: the runner's ``ActionCommand``,
    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    """
    fields = ",".join(
        f"{key}={_escaped(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    return f"::{name}{' ' + fields if fields else ''}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
