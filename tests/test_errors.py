"""Errors: the tree is as drawn, and each says which exit code it leads to."""

import importlib
import inspect
import pkgutil
import re
from typing import Any

import pytest

import pipeline
from pipeline import errors
from pipeline.errors import (
    ExitCode,
    Fault,
    GenerationTimedOut,
    InputError,
    JobError,
    ManifestError,
    PipelineError,
    RateLimited,
    Rejected,
    RunError,
    Unavailable,
)

CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PipelineError)
}


def test_every_class_is_in_the_tree_below_the_parent_it_is_drawn_under():
    depths = []
    drawn = {}
    for line in errors.__doc__.splitlines():
        found = re.match(r"^([\s│├└─]*)([A-Z]\w+)(?:\s{2,}|$)", line)
        if not found or found[2] not in CLASSES:
            continue
        depth = len(found[1])
        depths = [(d, name) for d, name in depths if d < depth]
        drawn[found[2]] = depths[-1][1] if depths else None
        depths.append((depth, found[2]))

    assert drawn == {
        name: None if kind is PipelineError else kind.__bases__[0].__name__
        for name, kind in CLASSES.items()
    }


def find_elsewhere(kind=PipelineError):
    """The subclasses in other modules, as the docstring names them."""
    for one in kind.__subclasses__():
        home = one.__module__
        if home.startswith("pipeline.") and home != errors.__name__:
            yield f"{home.removeprefix('pipeline.')}.{one.__name__}"
        yield from find_elsewhere(one)


def test_every_subclass_in_another_module_is_named():
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    listed = re.findall(r"``([a-z_.]+\.[A-Z]\w+)``", errors.__doc__)
    assert set(listed) - {"running.stopping.NotSubmitted"} == set(find_elsewhere())


def test_an_error_without_a_text_says_what_its_class_is():
    for name, kind in CLASSES.items():
        named: dict[str, Any] = {}
        if issubclass(kind, Rejected):
            named = {"status": 400}
        elif issubclass(kind, GenerationTimedOut):
            named = {"waited_s": 1.0, "last_status": ""}
        elif issubclass(kind, ManifestError):
            continue
        error = kind(**named)
        assert error.message == (inspect.getdoc(kind) or "").splitlines()[0], name
        assert error.hint == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("PipelineError", 1),
        ("InputError", 2),
        ("UsageError", 2),
        ("LockError", 2),
        ("ManifestError", 2),
        ("JobError", 3),
        ("Rejected", 3),
        ("OutcomeUnknown", 5),
        ("AccessDenied", 6),
        ("BudgetReached", 4),
        ("ServiceUnreachable", 12),
        ("LedgerError", 11),
        ("LedgerBusy", 7),
        ("OutputError", 11),
    ],
)
def test_a_class_leads_to_its_exit_code(name, code):
    assert CLASSES[name].exit_code == code


def test_the_branches_are_apart():
    for kind in CLASSES.values():
        branches = [
            issubclass(kind, branch) for branch in (InputError, JobError, RunError)
        ]
        assert sum(branches) == (kind is not PipelineError)


def test_faults_come_in_the_order_of_the_file():
    faults = [
        Fault(file="b.yaml", line=1, column=1, message="four"),
        Fault(file="a.yaml", line=10, column=1, message="three"),
        Fault(file="a.yaml", line=2, column=9, message="two", hint="do this"),
        Fault(file="a.yaml", line=2, column=1, message="one"),
    ]

    assert str(ManifestError(faults)).splitlines() == [
        "a.yaml:2:1: one",
        "a.yaml:2:9: two; do this",
        "a.yaml:10:1: three",
        "b.yaml:1:1: four",
    ]


def test_a_refusal_for_now_left_and_was_answered():
    error = RateLimited(ceiling=4, retry_after_s=7)

    assert isinstance(error, Unavailable)
    assert (error.status, error.request_left) == (429, True)


def test_exit_codes_are_all_different():
    assert len(ExitCode) == len({code.value for code in ExitCode})
