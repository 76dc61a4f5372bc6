"""RateLimiterState: one window for all processes, and pauses that outlive them."""

import json
import math
import os
import struct
import subprocess
import sys
from array import array

import pytest
from filelock import FileLock

from pipeline.api.allowance import WINDOW_S
from pipeline.api.rate_limiter_state import (
    CAUTIOUS_S,
    LONGEST_PAUSE_S,
    STATE_VARIABLE,
    RateLimiterState,
    StateBusy,
    state_path,
)
from pipeline.settings import Credentials

NOW = 1_790_000_000.0


def waits(state, now, limit, count):
    """Seconds to wait as each of so many requests hears."""
    return [state.take(now, limit).wait_s for _ in range(count)]


def test_so_many_as_the_limit_leave_and_no_more(path, state):
    other = RateLimiterState(path)

    assert waits(state, NOW, 5, 3) == [0, 0, 0]
    assert waits(other, NOW + 1, 5, 3) == [0, 0, WINDOW_S - 1]
    assert other.take(NOW + 1, 5).used == 5
    assert waits(other, NOW + WINDOW_S, 5, 4) == [0, 0, 0, 1]


def test_each_process_keeps_its_own_limit(path, state):
    waits(state, NOW, 10, 8)

    assert RateLimiterState(path).take(NOW + 5, 4).wait_s == WINDOW_S - 5
    assert state.take(NOW + 5, 10).wait_s == 0


def test_after_a_refusal_all_processes_keep_a_part_of_what_they_sent(path, state):
    waits(state, NOW, 20, 12)

    RateLimiterState(path).refuse(NOW + 10, 20)

    assert state.take(NOW + 10, 20).wait_s == WINDOW_S - 10
    assert waits(state, NOW + WINDOW_S, 20, 2) == [0, pytest.approx(WINDOW_S / 11)]
    assert state.look(NOW + WINDOW_S).allowance.reduced == pytest.approx(10.2)


def test_a_pause_is_remembered_until_its_end(path, state):
    state.pause(NOW, 900)

    later = RateLimiterState(path)

    assert later.look(NOW + 300).paused_s == 600
    assert later.take(NOW + 300, 5).paused_s == 600
    assert later.look(NOW + 901).paused_s == 0
    assert later.look(NOW + 901).is_cautious
    assert not later.look(NOW + CAUTIOUS_S + 1).is_cautious


def test_a_shorter_pause_does_not_end_a_longer_one(state):
    state.pause(NOW, 900)
    state.pause(NOW, 5)

    assert state.look(NOW).paused_s == 900


# --- the wall clock ---------------------------------------------------------------


def test_a_clock_that_was_set_back_does_not_block_for_longer_than_a_window(state):
    waits(state, NOW, 5, 5)
    back = NOW - 86_400

    assert state.take(back, 5).wait_s == WINDOW_S
    state.refuse(back, 5)
    assert state.take(back + 1, 5).wait_s <= WINDOW_S
    assert state.take(back + 1 + WINDOW_S, 5).wait_s <= WINDOW_S


def test_what_a_set_back_clock_has_left_is_over_after_a_window(state):
    waits(state, NOW, 5, 4)
    back = NOW - 86_400
    state.take(back, 5)  # it is written down with what is left of it

    assert state.take(back + WINDOW_S, 5).wait_s == 0


def test_a_full_window_that_a_set_back_clock_has_left_is_over_after_a_window(state):
    waits(state, NOW, 5, 5)
    back = NOW - 3600

    assert state.take(back, 5).wait_s == WINDOW_S
    assert state.take(back + 1, 5).wait_s == WINDOW_S - 1
    assert waits(state, back + WINDOW_S, 5, 6) == [0, 0, 0, 0, 0, WINDOW_S]


@pytest.mark.parametrize("limit", [1, 5], ids=["full", "not full"])
def test_a_pause_that_a_set_back_clock_has_left_is_over_after_its_length(state, limit):
    state.take(NOW - 30, limit)
    state.pause(NOW, 600)
    back = NOW - 10  # behind the pause's begin, and not behind the request

    assert state.take(back, limit).paused_s == 600
    assert state.look(back + 400).paused_s == 200
    assert state.look(back + 600).paused_s == 0


def test_looks_alone_end_a_pause_that_a_set_back_clock_has_left(path, state):
    state.pause(NOW, 600)
    back = NOW - 7200
    with FileLock(path.with_suffix(".lock"), is_singleton=False):
        assert state.look(back - 1).paused_s == 600  # it is told all the same

    assert [state.look(back + 300 * k).paused_s for k in range(3)] == [600, 300, 0]


def test_a_pause_is_never_longer_than_it_was_named(state):
    state.pause(NOW, 900)

    assert state.look(NOW - 86_400).paused_s == 900


# --- what is not to be trusted ------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"x" * 4096,
        b"PPPACE1\n",
        b"PPPACE2\n"
        + struct.pack("5d", math.nan, math.inf, -math.inf, math.nan, math.inf),
        b"PPPACE1\n" + struct.pack("3d", NOW + 900, 900, NOW),
        b"PPPACE2\n" + struct.pack("5d", NOW + 900, 900, NOW, 1, NOW) + b"odd",
    ],
    ids=["empty", "short", "long", "cut", "no numbers", "other format", "odd length"],
)
def test_what_cannot_be_read_counts_as_nothing(path, state, raw):
    path.parent.mkdir()
    path.write_bytes(raw)

    assert state.look(NOW).paused_s == 0
    assert state.take(NOW, 1).wait_s == 0
    assert state.take(NOW, 1).wait_s == WINDOW_S


def test_an_absurd_pause_is_over_within_a_day(path, state):
    path.parent.mkdir()
    path.write_bytes(b"PPPACE2\n" + struct.pack("5d", *[1e300] * 5))

    assert state.look(NOW).paused_s == LONGEST_PAUSE_S
    assert state.take(NOW, 5).paused_s == LONGEST_PAUSE_S
    assert state.look(NOW + LONGEST_PAUSE_S).paused_s == 0


def test_stamps_that_are_no_times_are_left_out_or_count_as_now(path, state):
    path.parent.mkdir()
    stamps = array("d", [math.nan, -math.inf, math.inf, 1e300, 0.0])
    path.write_bytes(b"PPPACE2\n" + struct.pack("5d", *[0] * 5) + stamps.tobytes())

    assert state.look(NOW).used == 2
    assert state.take(NOW, 2).wait_s == WINDOW_S


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes by name")
def test_a_pipe_in_its_place_is_not_waited_for(path, state):
    path.parent.mkdir()
    os.mkfifo(path)

    for call in (state.look, lambda now: state.take(now, 5)):
        with pytest.raises(OSError, match="is not a file"):
            call(NOW)


def test_what_others_hold_is_not_waited_for(path, state):
    path.parent.mkdir()
    with (
        FileLock(path.with_suffix(".lock"), is_singleton=False),
        pytest.raises(StateBusy),
    ):
        state.take(NOW, 5)


# --- the file -------------------------------------------------------------------------


def test_looking_makes_no_file(path, state):
    state.look(NOW)

    assert not path.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of Unix")
def test_nobody_else_may_read_it(path, state):
    state.take(NOW, 5)

    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_the_name_tells_projects_apart_and_no_secret(tmp_path):
    environment = {STATE_VARIABLE: str(tmp_path)}
    mine = Credentials(key="api_key", secret="s3cret")
    named = [
        mine,
        Credentials(key="api_key", secret="s3cret", project_id="proj_1"),
        Credentials(key="api_other", secret="s3cret"),
        Credentials(key="api_key", secret="s3cret", base_url="http://127.0.0.1:1/v1"),
    ]
    same_project = [
        Credentials(key=key, secret="s3cret", project_id="proj_1")
        for key in ("api_key", "api_other")
    ]

    paths = {str(state_path(each, environment)) for each in named}

    assert len(paths) == 4
    assert len({state_path(each, environment) for each in same_project}) == 1
    assert not any("api_key" in each or "s3cret" in each for each in paths)
    assert all(each.startswith(str(tmp_path)) for each in paths)


CHILD = """
import json, sys
from pathlib import Path
from pipeline.api.rate_limiter_state import RateLimiterState, StateBusy

state, taken = RateLimiterState(Path(sys.argv[1])), 0
while True:
    try:
        if state.take(float(sys.argv[2]), 100).wait_s:
            break
        taken += 1
    except StateBusy:
        pass
print(json.dumps(taken))
"""


def test_processes_that_take_at_once_take_no_more_than_the_limit(path):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(NOW)], stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]

    taken = [json.loads(child.communicate(timeout=60)[0]) for child in children]

    assert sum(taken) == 100
    assert RateLimiterState(path).look(NOW).used == 100
