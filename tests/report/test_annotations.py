"""Annotations: at most ten, the worst first, and nothing that a text can add."""

import pytest
from doubles.hostile_texts import HOSTILE

from pipeline.report.annotations import render_annotations, workflow_command
from pipeline.report.outcomes import Outcomes, Place, Problem


def outcomes_of(*added, problems=()):
    outcomes = Outcomes(problems=list(problems))
    for one in added:
        outcomes.add(one)
    return outcomes


def test_the_worst_come_first_and_ten_are_the_most(outcome):
    many = [
        outcome(f"{status}-{number}", status)
        for status in ("in_flight", "blocked", "failed", "unknown", "saved")
        for number in range(4)
    ]
    problem = Problem(message="the budget is used up", hint="raise it")

    lines = render_annotations(outcomes_of(*many, problems=[problem]))

    assert len(lines) == 10
    assert lines[0] == "::error title=pipeline::the budget is used up%0Anext: raise it"
    assert [line.split("title=")[1].split("::")[0] for line in lines[1:]] == [
        *(f"unknown-{number}" for number in range(4)),
        *(f"failed-{number}" for number in range(4)),
        "blocked-0",
    ]
    assert lines[1].startswith("::error file=icons.yaml,line=12,title=")
    assert lines[-1].startswith("::warning file=icons.yaml,line=12,title=")


def test_a_fault_has_its_column_and_a_place_outside_is_named_in_the_text(outcome):
    fault = Problem(message="x", place=Place(file="a,b:c.yaml", line=3, column=5))
    outside = Place(file="/elsewhere/icons.yaml", line=12, is_inside=False)

    first, second = render_annotations(
        outcomes_of(outcome(place=outside), problems=[fault])
    )

    assert first == "::error file=a%2Cb%3Ac.yaml,line=3,col=5,title=pipeline::x"
    assert second.startswith("::error title=oak::")
    assert second.endswith("%0A/elsewhere/icons.yaml:12")


def test_a_picture_that_needs_review_is_a_warning(outcome):
    (line,) = render_annotations(
        outcomes_of(outcome(status="saved", review="empty picture"))
    )

    assert line.endswith("title=oak::oak: needs review: empty picture")
    assert line.startswith("::warning")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_in_its_line_and_can_be_read_back(text):
    line = workflow_command("error", text, title=text)

    assert line.splitlines() == [line] or not {"\r", "\n"} & set(line)
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert unescaped(message) == text
    assert unescaped(properties.removeprefix("title=")) == text


def unescaped(text):
    """As the runner does it: the percent sign last."""
    for sign, code in ((":", "%3A"), (",", "%2C"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(code, sign)
    return text.replace("%25", "%")
