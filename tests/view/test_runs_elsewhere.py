"""A page shows the run of another process: what is in hand, what fails, and its end."""

import asyncio
import json

import pytest
from doubles.clock import FakeClock
from doubles.place import items

from pipeline.operations.event_log import EventLog, events_path
from pipeline.operations.view.run_state import RunState
from pipeline.operations.view.run_tail import SILENCE_S, RunTail
from pipeline.running.events import Launched

LAUNCH = {"event": "launch", "total": 3, "done": 1}
DONE = {"event": "done", "exit_code": 0}


def job(item_id, status):
    return {"event": "job", "item_id": item_id, "status": status}


def append(output, *events, end="\n"):
    path = events_path(output)
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("".join(f"{json.dumps(one)}{end}" for one in events))


@pytest.fixture
def tail(tmp_path):
    return RunTail(tmp_path, FakeClock())


async def test_a_page_follows_the_run_of_another_process(place, open_page):
    (place.folder / "knobs.yaml").write_text(items("an oak", "an elm [fail]"))
    async with open_page(place) as page, page.events() as events:
        running = asyncio.create_task(place.type("run", "--yes"))

        launch = await events.until("run", event="launch")
        await events.until("run", event="done")
        done = await running

    assert (launch["items"], launch["to_submit"]) == (2, 2)
    assert done.code == 3


async def test_a_page_that_is_opened_later_knows_where_the_run_stands(place, open_page):
    (place.folder / "knobs.yaml").write_text(items("an oak", "an elm", "an ash"))
    place.output.mkdir()
    append(place.output, LAUNCH, job("a", "saved"), job("b", "submitted"))
    async with open_page(place, watch=False) as page:
        run = (await page.data())["server"]["run"]
        assert run == [{**LAUNCH, "done": 2}, job("b", "submitted")]

        append(place.output, job("b", "failed"), DONE)
        async with page.events() as events:
            await page.desk.look_at_run()
            assert (await events.next("run"))["status"] == "failed"
            assert await events.next("run") == DONE

        assert "run" not in (await page.data())["server"]


async def test_a_redo_of_this_session_is_not_told_twice(place, open_page):
    (place.folder / "knobs.yaml").write_text(items("an oak"))
    place.output.mkdir()
    async with open_page(place, watch=False, spend=100) as page:
        redos = page.desk.redos
        redos._in_hand.add(("a", 1))
        append(place.output, LAUNCH)
        await page.desk.look_at_run()
        redos._in_hand.clear()

        assert page.desk.feed.last == 0


def test_a_line_is_read_once_it_is_whole(tail, tmp_path):
    assert tail.look() == []
    append(tmp_path, LAUNCH)
    append(tmp_path, job("a", "saved"), end="")

    assert tail.look() == [LAUNCH]
    assert tail.look() == []

    append(tmp_path, end="")
    with events_path(tmp_path).open("a") as file:
        file.write("\n")
    assert tail.look() == [job("a", "saved")]


def test_the_next_run_is_read_from_its_beginning(tail, tmp_path):
    for number in (1, 2):
        log = EventLog(tmp_path)
        log.begin()
        log.take(
            Launched(run_id=number, total=1, done=0, skipped=0, to_submit=1, ceiling=1)
        )
        log.end(DONE)
        assert [one["event"] for one in tail.look()] == ["launch", "done"]
    append(tmp_path, LAUNCH)
    tail.look()

    events_path(tmp_path).write_text("")  # it had become too long
    append(tmp_path, LAUNCH)

    assert tail.look() == [LAUNCH]


def test_a_run_that_was_killed_is_said_to_be_silent_once(tail, tmp_path):
    append(tmp_path, LAUNCH)
    tail.look()
    tail._clock.jump(SILENCE_S)
    assert tail.look() == []

    tail._clock.jump(1.0)

    assert tail.look() == [{"event": "silent"}]
    assert tail.look() == []


def test_a_run_that_has_ended_is_not_said_to_be_silent(tail, tmp_path):
    append(tmp_path, LAUNCH, DONE)
    tail.look()

    tail._clock.jump(SILENCE_S + 1)

    assert tail.look() == []


def test_lines_that_are_no_events_are_passed_over(tail, tmp_path):
    append(tmp_path, LAUNCH)
    with events_path(tmp_path).open("a") as file:
        file.write('[1]\n{"event": 1}\nnothing\n\n' + "[" * 9999 + "\n")
    append(tmp_path, DONE)

    assert tail.look() == [LAUNCH, DONE]


def test_the_state_of_a_run_is_the_newest_of_each_thing():
    state = RunState()
    keys = [
        state.take(event)
        for event in (
            LAUNCH,
            job("a", "submitted"),
            job("a", "saved"),
            job("b", "submitted"),
            {"event": "blocked", "item_id": "c", "reason": "blocked by b"},
            {"event": "pause", "until": "1", "left_s": 5},
            {"event": "pause", "until": "2", "left_s": 4},
            {"event": "warning", "message": "well"},
        )
    ]

    assert [one["event"] for one in state.events] == [
        "launch",
        "job",
        "blocked",
        "pause",
    ]
    assert state.events[0]["done"] == 2
    assert state.events[3]["until"] == "2"
    assert keys[-1] == ""
    assert keys[1] == keys[2]

    state.take(LAUNCH)
    assert state.events == (LAUNCH,)
    state.take({"event": "silent"})
    assert not state.events
