"""Matrix: GitHub's semantics, and a count that never makes a combination."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest.matrix import Matrix, TooManyExcludes
from pipeline.manifest.node import Node
from pipeline.record import replace


def make_matrix(axes, exclude=(), include=()):
    def entries(values):
        return tuple({k: Node(v, 1) for k, v in entry.items()} for entry in values)

    nodes = {name: tuple(Node(v, 1) for v in values) for name, values in axes.items()}
    return Matrix(nodes, entries(exclude), entries(include))


def combinations(matrix):
    return [{k: n.value for k, n in c.items()} for c in matrix.combinations()]


def test_the_last_axis_moves_fastest():
    matrix = make_matrix({"a": [1, 2], "b": ["x", "y"]})

    assert combinations(matrix) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_include_follows_the_example_of_githubs_documentation():
    # https://docs.github.com/actions/reference/workflow-syntax, matrix.include
    matrix = make_matrix(
        {"fruit": ["apple", "pear"], "animal": ["cat", "dog"]},
        include=[
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    )

    assert combinations(matrix) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert matrix.count() == 6


def test_a_value_brings_its_variables_and_include_overrides_them():
    brought = {
        "size": {
            ("text", "small"): {"px": Node(512, 1), "label": Node("S", 1)},
            ("text", "large"): {"px": Node(2048, 1)},
        }
    }
    matrix = make_matrix(
        {"size": ["small", "large"], "time": ["dawn", "dusk"]},
        exclude=[{"size": "large", "time": "dusk"}],
        include=[
            {"size": "small", "time": "dusk", "px": 256},
            {"size": "large", "time": "noon"},
            {"size": "huge", "time": "noon"},
        ],
    )
    matrix = replace(matrix, brought=brought)

    assert combinations(matrix) == [
        {"size": "small", "time": "dawn", "px": 512, "label": "S"},
        {"size": "small", "time": "dusk", "px": 256, "label": "S"},
        {"size": "large", "time": "dawn", "px": 2048},
        {"size": "large", "time": "noon", "px": 2048},
        {"size": "huge", "time": "noon"},
    ]
    assert matrix.count() == 5
    assert matrix.names == {"size", "time", "px", "label"}


def test_include_alone_makes_its_own_combinations():
    matrix = make_matrix({}, include=[{"slug": "oak"}, {"slug": "elm", "tall": True}])

    assert combinations(matrix) == [{"slug": "oak"}, {"slug": "elm", "tall": True}]
    assert matrix.count() == 2


def test_include_brings_back_what_exclude_removed():
    matrix = make_matrix(
        {"a": [1, 2]}, exclude=[{"a": 1}], include=[{"a": 1, "again": True}]
    )

    assert combinations(matrix) == [{"a": 2}, {"a": 1, "again": True}]


def test_exclude_needs_only_some_axes():
    matrix = make_matrix({"a": [1, 2], "b": [1, 2]}, exclude=[{"a": 1}, {"b": 2}])

    assert combinations(matrix) == [{"a": 2, "b": 1}]
    assert matrix.count() == 1


def test_true_is_not_one_and_text_is_no_number():
    matrix = make_matrix({"a": [1, True, "1"]}, exclude=[{"a": 1}])

    assert combinations(matrix) == [{"a": True}, {"a": "1"}]


def test_a_billion_is_counted_at_once():
    axes = {name: range(1000) for name in "abc"}

    assert make_matrix(axes, exclude=[{"a": 1, "b": 2}]).count() == 10**9 - 1000


def test_excludes_that_cannot_be_counted_in_time_are_refused():
    axes = {f"a{i}": range(3) for i in range(24)}
    exclude = [
        {f"a{i}": i % 3, f"a{(i * 7 + j) % 24}": j % 3}
        for i, j in itertools.product(range(24), range(12))
    ]

    with pytest.raises(TooManyExcludes):
        make_matrix(axes, exclude=exclude).count()


def test_a_thousand_excludes_are_counted_and_obeyed():
    axes = {"a": range(100), "b": range(100), "c": range(3)}
    exclude = [{"a": n % 100, "b": n // 100} for n in range(1000)]

    matrix = make_matrix(axes, exclude=exclude, include=[{"a": 1, "d": 2}])

    assert matrix.count() == 30_000 - 3_000 == len(combinations(matrix))


VALUES = st.integers(0, 3)
ENTRIES = st.lists(
    st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1), max_size=5
)


@given(
    axes=st.dictionaries(
        st.sampled_from("ab"), st.lists(VALUES, min_size=1, unique=True)
    ),
    exclude=ENTRIES,
    include=ENTRIES,
)
def test_the_count_is_the_number_of_combinations(axes, exclude, include):
    known = [{k: v for k, v in entry.items() if k in axes} for entry in exclude]
    matrix = make_matrix(axes, [entry for entry in known if entry], include)

    assert matrix.count() == len(combinations(matrix))
