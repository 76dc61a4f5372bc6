"""Process pool: who gets which task, and what becomes of it when a process ends."""

import os
import signal
import sys
from functools import partial

import anyio
import pytest
from doubles.workers import SETUP, started

from pipeline.errors import UsageError
from pipeline.executors.messages import decode_setup
from pipeline.executors.process_pool import TASKS_AT_ONCE, ProcessPool
from pipeline.executors.workers import WorkerLost, WorkersGone

pytestmark = pytest.mark.timeout(60)
# What a worker does with the number and the body of a frame; ``say`` replies.
CHILD = """
import os, struct, sys, msgspec
def say(number, body):
    content = msgspec.msgpack.encode({"number": number, "body": body})
    os.write(1, struct.pack(">I", len(content)) + content)
held = []
while head := sys.stdin.buffer.read(4):
    frame = msgspec.msgpack.decode(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))
    number, body = frame["number"], frame.get("body", b"")
    if number == 0:
        say(0, b"")
    elif not body:
        say(number, b"given up")
    elif body == b"die":
        os._exit(9)
    elif body == b"twice":
        say(number, b"once"), say(number, b"again")
    elif body == b"hold":
        held.append(number)
        if len(held) == HELD:
            [say(one, b"let go") for one in held]
            held.clear()
    elif body == b"forever":
        pass
    else:
        say(number, body + str(os.getpid()).encode())
"""


@pytest.fixture
def pool_of():
    """A pool whose processes run this program."""

    def make(count=1, code=CHILD, held=1):
        program = code.replace("HELD", str(held))
        return ProcessPool(count, SETUP, command=[sys.executable, "-c", program])

    return make


async def test_every_worker_has_its_part(pool_of):
    async with pool_of(2) as pool:
        replies = await pool.run_everywhere(b"x")

        assert sorted(replies) == sorted(b"x%d" % pid for pid in pool.pids)
        assert (await pool.run(b"y", started))[1:].decode() in map(str, pool.pids)


@pytest.mark.parametrize("count", [1, 999])
async def test_all_workers_together_decode_as_much_as_there_are_processors(
    pool_of, count
):
    setup = decode_setup(pool_of(count)._setup)

    assert setup.decoders == max(1, (os.cpu_count() or 1) // count)
    assert setup.loopback == SETUP.loopback


async def test_a_worker_gets_a_few_tasks_at_a_time_and_no_more(pool_of):
    async with pool_of(held=TASKS_AT_ONCE) as pool:
        begun = []
        async with anyio.create_task_group() as tasks:
            for number in range(3 * TASKS_AT_ONCE):
                tasks.start_soon(pool.run, b"hold", partial(begun.append, number))
            await anyio.wait_all_tasks_blocked()
            assert len(pool._waiting) == 2 * TASKS_AT_ONCE
            assert begun == list(range(TASKS_AT_ONCE))

        assert await pool.run(b"z", started)


async def test_a_task_that_is_given_up_makes_room_once_the_worker_knows(pool_of):
    async with pool_of() as pool:
        async with anyio.create_task_group() as tasks:
            for _ in range(TASKS_AT_ONCE + 1):
                tasks.start_soon(pool.run, b"forever", started)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

        assert await pool.run(b"z", started)


async def test_a_reply_that_comes_twice_counts_once(pool_of):
    async with pool_of() as pool:
        assert await pool.run(b"twice", started) == b"once"
        assert (await pool.run(b"next", started)).startswith(b"next")


async def test_a_worker_that_dies_costs_its_tasks_and_is_started_again(pool_of):
    async with pool_of() as pool:
        await pool.run(b"x", started)
        (before,) = pool.pids
        lost = []

        async def lose():
            with pytest.raises(WorkerLost):
                await pool.run(b"forever", started)
            lost.append(1)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lose)
            await anyio.wait_all_tasks_blocked()
            os.kill(before, signal.SIGKILL)

        assert len(lost) == 3
        assert (await pool.run(b"x", started)) != b"x%d" % before


async def test_what_kills_every_worker_leaves_none(pool_of):
    async with pool_of() as pool:
        for _ in range(3):
            with pytest.raises(WorkerLost):
                await pool.run(b"die", started)

        with pytest.raises(WorkersGone, match="keep ending"):
            await pool.run(b"x", started)
        with pytest.raises(WorkersGone):
            await pool.run_everywhere(b"x")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import sys; sys.exit('no such module')", "no such module"),
        ("print('no frame', flush=True); input()", "says nothing"),
    ],
)
async def test_processes_that_do_not_start_are_one_clear_message(pool_of, code, text):
    with pytest.raises(UsageError, match=text) as raised:
        async with pool_of(code=code):
            pass

    assert "--executor" in raised.value.hint


async def test_a_process_that_is_never_ready_is_not_waited_for(pool_of, monkeypatch):
    monkeypatch.setattr("pipeline.executors.process_pool._START_S", 0.0)

    with pytest.raises(UsageError, match="could be started"):
        async with pool_of(code="import sys; sys.stdin.read()"):
            pass


async def test_a_program_that_is_not_there_is_one_clear_message(tmp_path):
    pool = ProcessPool(2, SETUP, command=[str(tmp_path / "none")])

    with pytest.raises(UsageError, match="could be started"):
        await pool.__aenter__()


async def test_a_start_that_is_cut_off_leaves_no_process(pool_of):
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with pool_of(code="input()"):
            pass

    assert scope.cancelled_caught


async def test_a_process_that_does_not_end_by_itself_is_killed(pool_of, monkeypatch):
    monkeypatch.setattr("pipeline.executors.child._GRACE_S", 0.0)
    code = CHILD + "\nimport time\ntime.sleep(1000)"
    async with pool_of(code=code) as pool:
        (pid,) = pool.pids

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
