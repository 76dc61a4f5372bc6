"""JUnit: one case an item, as ``junitparser`` and GitLab read it."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from doubles.hostile_texts import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from pipeline.report.junit import JUnitReport, RunFacts, xml_text
from pipeline.report.outcomes import ItemOutcome, Place, Problem

FACTS = RunFacts(
    name="icons",
    manifest="icons.yaml",
    output="output/icons",
    exit_code=3,
    started_at=datetime(2026, 11, 30, 14, 5, tzinfo=UTC),
    duration_s=61.5,
)


def read(*outcomes, problems=(), is_frozen=False):
    report = JUnitReport("icons", is_frozen=is_frozen)
    for one in outcomes:
        report.add(one)
    for problem in problems:
        report.add_problem(problem)
    text = report.render(FACTS)
    (suite,) = JUnitXml.fromstring(text.encode())
    return suite, {case.name: case for case in suite}


def test_a_case_has_its_place_its_time_and_what_it_cost(outcome):
    suite, cases = read(
        outcome("oak", "saved", made_s=3.25, is_new=True, files=("oak.png",)),
        outcome("elm", "saved", made_s=9.0),
    )

    oak = cases["oak"]
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (2, 0, 0, 0)
    assert (suite.time, suite.timestamp) == (61.5, "2026-11-30T14:05:00")
    assert (oak.classname, oak.is_passed) == ("icons", True)
    assert (oak._elem.get("file"), oak._elem.get("line")) == ("icons.yaml", "12")
    assert oak.time == 3.25
    assert cases["elm"].time == 0  # made before: this run did not wait for it
    told = {one.get("name"): one.get("value") for one in oak._elem.iter("property")}
    assert told["charged"] == "6"
    assert told["generation_s"] == "3.250"
    assert told["files"] == "oak.png"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("failed", Failure),
        ("unknown", Error),
        ("in_flight", Error),
        ("not_fetched", Error),
        ("blocked", Skipped),
        ("not_submitted", Skipped),
    ],
)
def test_what_is_not_saved_has_reason_hint_and_place(outcome, status, kind):
    _, cases = read(outcome("oak", status, kind="moderated"))

    (result,) = cases["oak"].result
    assert type(result) is kind
    assert (result.message, result.type) == ("moderated", "moderated")
    assert result.text == "moderated\nnext: change the prompt\nicons.yaml:12"


def test_with_frozen_an_item_that_is_not_made_is_a_failure(outcome):
    _, cases = read(outcome("oak", "not_submitted"), is_frozen=True)

    assert isinstance(cases["oak"].result[0], Failure)


def test_an_error_that_ended_the_run_is_a_case_of_its_own(outcome):
    fault = Place(file="icons.yaml", line=3, column=5)
    suite, cases = read(
        problems=[
            Problem(message="no credentials", hint="set them"),
            Problem(message="unknown key 'sead'", place=fault),
        ]
    )

    assert suite.errors == 2
    assert cases["run"].result[0].text == "no credentials\nnext: set them"
    assert cases["run: icons.yaml:3:5"].result[0].message == "unknown key 'sead'"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(outcome, text):
    _, cases = read(outcome(text, "failed", reason=text, hint=text))

    (case,) = cases.values()
    assert case.name == xml_text(text)
    assert case.result[0].message == xml_text(text)
    assert xml_text(text).replace("\r\n", "\n") in case.result[0].text.replace("\r", "")


@given(text=st.text())
def test_any_text_is_valid_xml(text):
    report = JUnitReport(text)
    place = Place(file=text, line=1)
    report.add(ItemOutcome(item_id=text, status="failed", reason=text, place=place))

    (case,) = ET.fromstring(report.render(FACTS).encode()).iter("testcase")
    assert case.get("name") == xml_text(text)
