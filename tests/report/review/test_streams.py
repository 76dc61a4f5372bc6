"""Streams and feeds: a page gets what has changed, once, and what it missed."""

import asyncio

import pytest

from pipeline.report.review.feed import Feed
from pipeline.report.review.streams import BEAT_S, MOST_STREAMS


def ids(feed, number=0, most=100):
    return [event.number for event in feed.after(number, most=most)]


def test_a_reader_gets_the_newest_state_of_each_thing_once():
    feed = Feed()
    state = {"oak": 1}
    feed.put("item", lambda: state["oak"], key="oak")
    feed.put("totals", lambda: 0)
    state["oak"] = 2
    feed.put("item", lambda: state["oak"], key="oak")

    found = feed.after(0, most=100)

    assert [(one.name, one.data) for one in found] == [("totals", "0"), ("item", "2")]
    assert ids(feed, found[0].number) == [3]
    assert ids(feed, 3) == []


def test_the_events_of_runs_are_kept_apart_and_bounded():
    feed = Feed()
    for number in range(2000):
        feed.tell("run", {"number": number})

    assert len(feed.after(0, most=10_000)) == 500
    assert feed.after(1999, most=9)[0].data == '{"number":1999}'


def test_the_oldest_events_come_first():
    feed = Feed()
    for number in range(10):
        feed.put("item", lambda: 0, key=str(number))

    assert ids(feed, 2, most=3) == [3, 4, 5]


@pytest.mark.parametrize("event_id", ["", "7", "other-7", "other-", "-7", "x" * 99])
def test_the_id_of_another_process_is_as_good_as_none(event_id):
    feed = Feed()
    assert feed.number_of(event_id) == 0
    assert feed.number_of(feed.id_of(7)) == 7


async def test_a_change_is_sent_when_it_happens(client):
    async with client.events() as events:
        client.desk.feed.put("review", lambda: {"version": "2"})

        assert await events.next() == ("review", {"version": "2"})


async def test_a_page_that_connects_again_gets_what_it_missed(client):
    feed = client.desk.feed
    feed.put("item", lambda: {"id": "oak"}, key="oak")
    async with client.events() as events:
        await events.next()
    feed.put("item", lambda: {"id": "elm"}, key="elm")

    async with client.events(**{"Last-Event-ID": events.last_id}) as again:
        assert await again.next() == ("item", {"id": "elm"})

    async with client.events(f"?after={events.last_id}") as again:
        assert await again.next() == ("item", {"id": "elm"})


async def test_a_page_of_another_server_gets_everything(client):
    feed = client.desk.feed
    for name in ("oak", "elm"):
        feed.put("item", lambda name=name: {"id": name}, key=name)

    async with client.events(**{"Last-Event-ID": "other-2"}) as events:
        found = [(await events.next())[1]["id"] for _ in range(2)]

    assert found == ["oak", "elm"]


async def test_a_silent_stream_says_that_it_is_there(client):
    async with client.events() as events:
        assert (await events.line()).startswith("retry:")
        await client.clock.settle()
        client.clock.jump(BEAT_S)

        assert await events.line() == ": still here"


async def test_every_page_begins_anew_when_the_manifest_has_changed(client):
    async with client.events() as events:
        client.desk.feed.begin_anew()

        assert await events.next() == ("", None)


async def test_a_page_that_does_not_read_holds_nothing_up(client):
    """Of what it has missed, it gets the newest state alone."""
    feed = client.desk.feed
    state = {"text": ""}
    async with client.events() as slow, client.events() as quick:
        for number in range(200):
            state["text"] = str(number) * 20_000
            feed.put("item", lambda: {"text": state["text"]}, key="oak")
            await quick.next()
        found = 1
        while (await slow.next())[1]["text"] != state["text"]:
            found += 1

    assert found < 200
    assert len(feed.after(0, most=1000)) == 1


async def test_too_many_pages_are_refused(client):
    client.app.streams.count = MOST_STREAMS

    status, body, _ = await client.call(path="events")

    assert (status, b"too many" in body) == (503, True)


async def test_a_closed_page_is_forgotten(client):
    async with client.events():
        assert client.app.streams.count == 1
    async with asyncio.timeout(30):
        while client.app.streams.count:  # noqa: ASYNC110 - the server sees it soon
            await asyncio.sleep(0)


async def test_all_streams_end_with_the_server(client):
    async with client.events() as events:
        client.app.streams.end()

        assert await events.next() == ("", None)
