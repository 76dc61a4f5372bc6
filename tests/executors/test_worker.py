"""A worker of the pool: frames in, frames out; it ends with its pipe."""

import os

import anyio
import anyio.to_thread
import pytest
from doubles.workers import PNG, SETUP, Cdn, FakeWorkers

from pipeline.executors import worker
from pipeline.executors.elsewhere import Elsewhere, _task_of
from pipeline.executors.frames import Frame, pack, read_frame
from pipeline.executors.messages import Outcome, decode_reply, encode
from pipeline.storage.atomic_file import PARTIAL_FOLDER

LIMIT_S = 30.0


class Line:
    """A worker in this process, and the pipes to it."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.source, self._tasks = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
        reading, writing = os.pipe()
        self._replies = os.fdopen(reading, "rb")
        self.replies = os.fdopen(writing, "wb", buffering=0)

    def send(self, frame):
        self._tasks.write(pack(frame))
        self._tasks.flush()

    async def receive(self):
        return await anyio.to_thread.run_sync(read_frame, self._replies)

    def hang_up(self):
        self._tasks.close()

    def close(self):
        for pipe in (self.source, self._tasks, self._replies, self.replies):
            pipe.close()


@pytest.fixture
def line():
    made = Line()
    yield made
    made.close()


@pytest.fixture
async def cdn():
    async with Cdn().serving() as serving:
        yield serving


async def tasks_of(cdn, folder, *names):
    """Encoded tasks for these files."""
    place = await Elsewhere(FakeWorkers(print), warn=print)._place_of(
        cdn.spec(folder).store
    )
    return [encode(_task_of(cdn.spec(folder, name), place)) for name in names]


async def test_a_worker_does_what_comes_until_its_pipe_ends(line, cdn, tmp_path):
    right, expired = await tasks_of(cdn, tmp_path, "right.png", "403")
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.serve, line.source, line.replies.write)
            line.send(Frame(number=0, body=encode(SETUP)))
            assert await line.receive() == Frame(number=0)
            line.send(Frame(number=5, body=right))
            done = await line.receive()
            line.send(Frame(number=6, body=expired))
            line.send(Frame(number=99))  # gives up what it does not have
            failed = await line.receive()
            line.hang_up()

    assert (done.number, failed.number) == (5, 6)
    receipt = decode_reply(done.body).receipt
    assert receipt is not None
    assert (tmp_path / PARTIAL_FOLDER / receipt.name).read_bytes() == PNG
    assert decode_reply(failed.body).outcome is Outcome.EXPIRED


@pytest.mark.parametrize("ends", ["given up", "hung up"])
async def test_a_task_that_is_given_up_leaves_no_file(line, cdn, tmp_path, ends):
    (task,) = await tasks_of(cdn, tmp_path, "right.png")
    reached = anyio.Event()

    async def hang():
        reached.set()
        await anyio.sleep_forever()

    cdn.on_read = hang
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.serve, line.source, line.replies.write)
            line.send(Frame(number=0, body=encode(SETUP)))
            await line.receive()
            line.send(Frame(number=5, body=task))
            await reached.wait()
            if ends == "given up":
                line.send(Frame(number=5))
                assert await line.receive() == Frame(number=5)
            line.hang_up()

    files = (tmp_path / PARTIAL_FOLDER).iterdir()
    assert [path for path in files if not path.name.startswith("marker")] == []


async def test_a_pipe_that_ends_at_once_ends_the_worker(line):
    line.hang_up()

    with anyio.fail_after(LIMIT_S):
        await worker.serve(line.source, line.replies.write)
