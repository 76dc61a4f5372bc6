"""Matching: which job came of which submit, and where nothing is guessed."""

import pytest

from pipeline.stages.matching import match


def matched(lost, found, scores, same=()):
    """Pairs of a table: submit → job → score; ``same`` are interchangeable submits."""
    return dict(
        match(
            lost,
            found,
            score=lambda one, job: scores.get(one, {}).get(job),
            asks_for=lambda one: "same" if one in same else one,
            shows=lambda job: job[0],
        )
    )


def test_one_submit_and_one_job_that_says_nothing_belong_together():
    assert matched(["a"], ["x"], {"a": {"x": 0}}) == {"a": "x"}


def test_a_job_that_may_not_be_taken_is_left():
    assert matched(["a"], ["x"], {"a": {"x": None}}) == {}


def test_the_best_of_several_jobs_is_taken():
    scores = {"a": {"x": 60, "y": 30}}

    assert matched(["a"], ["x", "y"], scores) == {"a": "x"}


def test_of_several_jobs_that_say_nothing_none_is_taken():
    assert matched(["a"], ["x1", "x2"], {"a": {"x1": 0, "x2": 0}}) == {}


def test_of_several_jobs_with_the_same_inputs_any_is_as_good():
    [(one, job)] = matched(["a"], ["x1", "x2"], {"a": {"x1": 60, "x2": 60}}).items()

    assert (one, job) in {("a", "x1"), ("a", "x2")}


def test_of_several_jobs_that_agree_alike_and_differ_none_is_taken():
    assert matched(["a"], ["x", "y"], {"a": {"x": 30, "y": 30}}) == {}


def test_two_submits_with_an_equal_claim_get_neither():
    scores = {"a": {"x": 30, "y": 30}, "b": {"x": 30, "y": 30}}

    assert matched(["a", "b"], ["x", "y"], scores) == {}


def test_two_interchangeable_submits_get_one_each():
    scores = {"a": {"x1": 30, "x2": 30}, "b": {"x1": 30, "x2": 30}}

    pairs = matched(["a", "b"], ["x1", "x2"], scores, same={"a", "b"})

    assert sorted(pairs) == ["a", "b"]
    assert sorted(pairs.values()) == ["x1", "x2"]


def test_of_interchangeable_submits_the_one_that_agrees_best_gets_the_job():
    scores = {"a": {"x": 30}, "b": {"x": 60}}

    assert matched(["a", "b"], ["x"], scores, same={"a", "b"}) == {"b": "x"}


def test_what_is_taken_decides_what_is_left():
    scores = {"a": {"x": 60, "y": 30}, "b": {"x": None, "y": 30}}

    assert matched(["a", "b"], ["x", "y"], scores) == {"a": "x", "b": "y"}


@pytest.mark.parametrize("jobs", [["x", "y"], ["y", "x"]])
def test_the_order_of_the_jobs_does_not_matter(jobs):
    scores = {"a": {"x": 60, "y": 0}, "b": {"x": 30, "y": 30}}

    assert matched(["a", "b"], jobs, scores) == {"a": "x", "b": "y"}
