"""The event log: what other processes read of a run, and what never harms the run."""

import json
import os

import pytest

from pipeline.job import JobStatus
from pipeline.operations.event_log import EventLog, events_path
from pipeline.redaction import SECRETS
from pipeline.running.events import JobChanged, Launched, SlotsChanged
from pipeline.stages.slots import SlotStatistics

LAUNCHED = Launched(run_id=1, total=2, done=0, skipped=0, to_submit=2, ceiling=None)
DONE = {"event": "done", "exit_code": 0}


def changed(item_id, status=JobStatus.SUBMITTED, **named):
    return JobChanged(item_id=item_id, status=status, attempt=1, **named)


def log(output, *events, **named):
    """One run with these events."""
    events_log = EventLog(output, **named)
    events_log.begin()
    for event in events:
        events_log.take(event)
    events_log.end(DONE)


def lines_of(output):
    return [json.loads(line) for line in events_path(output).read_bytes().splitlines()]


def test_the_events_of_a_run_are_the_lines_of_json(tmp_path):
    log(tmp_path, LAUNCHED, changed("oak"), changed("oak", JobStatus.SAVED))

    kinds = [(one["event"], one.get("status")) for one in lines_of(tmp_path)]
    assert kinds == [
        ("launch", None),
        ("job", "submitted"),
        ("job", "saved"),
        ("done", None),
    ]


def test_each_run_begins_the_file_anew(tmp_path):
    log(tmp_path, LAUNCHED, changed("oak"))
    log(tmp_path, LAUNCHED)

    assert [one["event"] for one in lines_of(tmp_path)] == ["launch", "done"]


def test_a_file_that_is_too_long_begins_anew_with_its_first_line(tmp_path):
    events = [changed(f"item-{number}") for number in range(100)]

    log(tmp_path, LAUNCHED, *events, most_bytes=2000)

    found = lines_of(tmp_path)
    assert events_path(tmp_path).stat().st_size < 20_000
    assert found[0]["event"] == "launch"
    assert found[-1] == DONE


def test_secrets_are_not_written(tmp_path):
    SECRETS.learn("s3cr3t-k3y-0123456789")

    log(tmp_path, changed("oak", reason="s3cr3t-k3y-0123456789 was refused"))

    assert b"s3cr3t" not in events_path(tmp_path).read_bytes()


def test_slots_are_not_told_and_nothing_is_written_before_the_beginning(tmp_path):
    slots = SlotStatistics(
        limit=4, in_flight=0, held=0, refusals=0, waiting=0, paused_s=0
    )
    before = EventLog(tmp_path)
    before.take(LAUNCHED)
    before.end(DONE)
    assert not events_path(tmp_path).exists()

    log(tmp_path, SlotsChanged(slots=slots))

    assert lines_of(tmp_path) == [DONE]


def test_a_link_of_the_user_is_not_written_through(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    output = tmp_path / "out"
    (output / "report").mkdir(parents=True)
    events_path(output).symlink_to(mine)

    log(output, LAUNCHED)

    assert mine.read_text() == "mine"
    assert not events_path(output).is_symlink()


@pytest.mark.parametrize("way", ["a file", "a link that leads out"])
def test_a_run_goes_on_where_the_file_cannot_be_written(tmp_path, way):
    output = tmp_path / "out"
    output.mkdir()
    if way == "a file":
        (output / "report").write_text("mine")
    else:
        (tmp_path / "other").mkdir()
        (output / "report").symlink_to(tmp_path / "other")

    log(output, LAUNCHED)

    assert not any((tmp_path / "other").glob("*"))


def test_a_disk_that_fails_ends_the_file_and_not_the_run(tmp_path, monkeypatch):
    def refuse(_path):
        raise OSError

    monkeypatch.setattr("pipeline.operations.event_log.BEAT_S", 0.001)
    monkeypatch.setattr(os, "utime", refuse)
    events_log = EventLog(tmp_path)
    events_log.begin()
    thread = events_log._thread
    assert thread is not None
    thread.join(30)

    events_log.take(LAUNCHED)
    events_log.end(DONE)

    assert lines_of(tmp_path) == []


def test_a_silent_run_renews_the_time_of_its_file(tmp_path, monkeypatch):
    renewed = []
    monkeypatch.setattr("pipeline.operations.event_log.BEAT_S", 0.001)
    events_log = EventLog(tmp_path)

    def note(path):
        renewed.append(path)
        if len(renewed) == 2:
            events_log._queue.put(None)

    monkeypatch.setattr(os, "utime", note)
    events_log.begin()
    thread = events_log._thread
    assert thread is not None
    thread.join(30)

    assert len(renewed) == 2
    assert lines_of(tmp_path) == []
