"""Messages and frames: the same when they arrive, and no secret in any text of them."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from doubles.workers import SECRET, TREATMENT

from pipeline.api.interface import UrlExpired
from pipeline.assets.receipt import Receipt
from pipeline.errors import DownloadFailed, Unavailable
from pipeline.executors.dask_worker import Sealed
from pipeline.executors.frames import Frame, pack, read_frame, receive_frame
from pipeline.executors.messages import (
    Check,
    Outcome,
    Place,
    Reply,
    Task,
    WorkerBug,
    decode_reply,
    decode_task,
    encode,
    raise_for,
    received,
    sent_of,
    treatment_of,
)
from pipeline.job import AssetId
from pipeline.save_spec import CheckResult


def task_of(treatment=None):
    return Task(
        asset_id=AssetId("asset_1"),
        url=f"https://cdn.cloud.scenario.com/a?{SECRET}",
        place=Place(folder="/out", marker="m"),
        size_bytes=None,
        kind="image",
        media_type="",
        draws=True,
        treatment=treatment,
    )


@pytest.mark.parametrize("treatment", [None, TREATMENT], ids=["none", "all"])
def test_a_task_arrives_as_it_was_sent(treatment):
    task = decode_task(encode(task_of(treatment)))

    assert isinstance(task, Task)
    assert (task.url, task.place) == (task_of().url, task_of().place)
    assert treatment_of(task) == treatment


def test_a_check_is_told_from_a_task():
    assert decode_task(encode(Check())) == Check()


def test_no_text_of_a_message_shows_the_signed_url():
    task = task_of(TREATMENT)

    assert SECRET not in f"{task!r} {task} {Sealed(encode(task))!r}"


def test_a_receipt_arrives_as_it_was_sent():
    original = Receipt(
        partial=Path("/out/.partial/a"),
        sha256="00",
        size_bytes=3,
        media_type="image/png",
        kind="image",
        width_px=1,
        height_px=2,
    )
    receipt = Receipt(
        partial=Path("/out/.partial/b"),
        sha256="11",
        size_bytes=4,
        media_type="image/webp",
        kind="image",
        width_px=1,
        height_px=2,
        original=original,
        recipe="{}",
        checks=(CheckResult(name="alpha", why="none"),),
        likeness="ff",
        notes=("a note",),
    )
    names = {"00": "a", "11": "b"}
    reply = Reply(
        outcome=Outcome.DONE, receipt=sent_of(receipt, lambda one: names[one.sha256])
    )

    sent = decode_reply(encode(reply)).receipt

    assert sent is not None
    assert received(sent, lambda one: Path("/out/.partial", one.name)) == receipt


ERRORS = {
    Outcome.EXPIRED: UrlExpired,
    Outcome.UNAVAILABLE: Unavailable,
    Outcome.FAILED: DownloadFailed,
}


@pytest.mark.parametrize("outcome", ERRORS)
def test_an_outcome_becomes_the_error_of_this_process(outcome):
    error: Any = ERRORS[outcome]
    with pytest.raises(error, match="why") as raised:
        raise_for(Reply(outcome=outcome, message="why", hint="what next"))

    assert raised.value.hint == "what next"


def test_a_bug_on_a_worker_is_a_bug_here():
    with pytest.raises(WorkerBug, match="line 7"):
        raise_for(Reply(outcome=Outcome.BUG, message="line 7"))

    raise_for(Reply(outcome=Outcome.DONE))


FRAMES = [Frame(number=1, body=b"x" * 70_000), Frame(number=2)]
BROKEN = {
    "nothing": b"",
    "half a length": b"\0\0",
    "half a frame": pack(FRAMES[0])[:100],
    "no frame": b"\0\0\0\1\xc1",
    "a length that cannot be": b"\xff\xff\xff\xff" + bytes(100),
}


async def both(content):
    """What comes over a pipe, blocking and on the event loop."""
    pipe = io.BytesIO(content)
    reader = asyncio.StreamReader()
    reader.feed_data(content)
    reader.feed_eof()
    while True:
        frame = read_frame(pipe)
        assert frame == await receive_frame(reader)
        if frame is None:
            return
        yield frame


async def test_frames_arrive_one_after_the_other():
    content = b"".join(map(pack, FRAMES))

    assert [frame async for frame in both(content)] == FRAMES


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_frame_ends_the_pipe(content):
    sent = pack(FRAMES[1]) + content

    assert [frame async for frame in both(sent)] == [FRAMES[1]]
