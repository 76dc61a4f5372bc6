"""LedgerWriter: many tasks, one thread, few commits; nothing begun is left undone."""

import asyncio
import sqlite3
import threading
from typing import Any

import anyio
import pytest

from pipeline.errors import LedgerError, OutputError, RunError
from pipeline.job import JobStatus
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import IllegalTransition, Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.record import replace

S = JobStatus


class CountingLedger(Ledger):
    """Counts transactions; after ``fails_after`` commits every one fails."""

    def __init__(self, path):
        super().__init__(path)
        self.begins = 0
        self.commits = 0
        self.fails_after = None
        self.error: Any = None
        self.threads = set()

    def begin(self):
        self.begins += 1
        self.threads.add(threading.current_thread().name)
        super().begin()

    def commit(self):
        if self.fails_after == self.commits:
            raise self.error
        self.commits += 1
        super().commit()


class Gate:
    """A write that keeps the thread busy until the test lets it go."""

    def __init__(self):
        self._entered = threading.Event()
        self._open = threading.Event()

    def __call__(self):
        self._entered.set()
        assert self._open.wait(10)

    def open(self):
        self._open.set()

    async def wait_until_entered(self):
        assert await asyncio.to_thread(self._entered.wait, 10)


@pytest.fixture
def ledger(path):
    with CountingLedger(path) as counting:
        yield counting


@pytest.fixture
async def writer(ledger):
    async with LedgerWriter(ledger) as ledger_writer:
        yield ledger_writer


@pytest.fixture
async def gate(writer):
    """The writer's thread is busy until ``gate.open()``."""
    closed = Gate()
    task = asyncio.create_task(writer.write(closed))
    await closed.wait_until_entered()
    yield closed
    closed.open()
    await task


async def test_a_write_returns_what_the_ledger_returned_once_it_is_durable(
    writer, path, new_job
):
    job = await writer.write(writer.ledger.record_submitting, new_job())

    assert job.row_id == 1
    with Ledger(path, read_only=True) as reader:
        assert reader.find_jobs_of("oak")[0].status is S.SUBMITTING


async def test_arguments_are_passed_on(writer, now):
    await writer.write(writer.ledger.record_facts, tool="a")

    assert writer.ledger.find_facts() == Facts(tool="a")


async def test_writes_that_are_ready_together_share_one_commit(
    writer, gate, ledger, new_job
):
    jobs = [new_job(f"item-{number}") for number in range(200)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(writer.write(ledger.record_submitting, job))
            for job in jobs
        ]
        await asyncio.sleep(0)
        gate.open()

    assert ledger.begins == ledger.commits == 2  # the gate's, and one for all
    assert sorted(task.result().row_id for task in tasks) == [*range(1, 201)]
    assert ledger.threads == {"ledger-writer"}


async def test_one_wake_up_of_the_event_loop_is_enough_for_a_commit(
    writer, gate, ledger, new_job, monkeypatch
):
    loop, wake_ups = asyncio.get_running_loop(), []
    real = loop.call_soon_threadsafe

    def count(*arguments, **named):
        wake_ups.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(
                writer.write(ledger.record_submitting, new_job(f"{number}"))
            )
        await asyncio.sleep(0)
        gate.open()

    assert len(wake_ups) == 2  # the gate's, and one for all


async def test_writes_keep_their_order(writer, gate, ledger, new_job):
    job = new_job()

    async def live():
        first = await writer.write(ledger.record_submitting, job)
        return await writer.write(ledger.record_unknown, first)

    task = asyncio.create_task(live())
    await asyncio.sleep(0)
    gate.open()

    assert (await task).status is S.UNKNOWN


async def test_a_write_that_fails_fails_alone(writer, gate, ledger, new_job):
    async with asyncio.TaskGroup() as group:
        good = group.create_task(writer.write(ledger.record_submitting, new_job("a")))
        bad = group.create_task(
            _outcome(writer.write(ledger.record_submitted, new_job("b", row_id=99)))
        )
        also = group.create_task(writer.write(ledger.record_submitting, new_job("c")))
        await asyncio.sleep(0)
        gate.open()

    assert isinstance(bad.result(), IllegalTransition)
    assert good.result().status is also.result().status is S.SUBMITTING
    assert ledger.count_by_status() == {S.SUBMITTING: 2}
    assert await writer.write(ledger.find_facts) == Facts()  # and it goes on


async def _outcome(awaitable):
    try:
        return await awaitable
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
        return error


@pytest.mark.parametrize(
    "error",
    [OutputError("disk full"), LedgerError("damaged"), sqlite3.OperationalError("odd")],
    ids=lambda error: type(error).__name__,
)
async def test_a_commit_that_fails_fails_every_write_of_it_and_every_later_one(  # noqa: PLR0917 - fixtures
    writer, gate, ledger, path, new_job, error
):
    ledger.fails_after, ledger.error = 1, error  # the gate's own goes through
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _outcome(writer.write(ledger.record_submitting, new_job(f"{number}")))
            )
            for number in range(3)
        ]
        await asyncio.sleep(0)
        gate.open()
    outcomes = [task.result() for task in tasks]

    assert all(isinstance(outcome, RunError) for outcome in outcomes)
    assert "odd" in str(outcomes[0]) or outcomes[0] is error
    ledger.fails_after = None
    with pytest.raises(RunError):
        await writer.write(ledger.record_submitting, new_job("later"))
    with Ledger(path, read_only=True) as reader:
        assert reader.count_by_status() == {}


async def test_a_storage_error_of_one_write_fails_the_group(
    writer, gate, ledger, path, new_job
):
    def fill_the_disk():
        raise OutputError("disk full")

    async with asyncio.TaskGroup() as group:
        good = group.create_task(
            _outcome(writer.write(ledger.record_submitting, new_job()))
        )
        bad = group.create_task(_outcome(writer.write(fill_the_disk)))
        await asyncio.sleep(0)
        gate.open()

    assert isinstance(good.result(), OutputError)
    assert isinstance(bad.result(), OutputError)
    with Ledger(path, read_only=True) as reader:
        assert reader.count_by_status() == {}


async def test_a_cancelled_scope_waits_for_the_write_it_began(
    writer, gate, ledger, new_job
):
    returned = []
    async with anyio.create_task_group() as group:

        async def write():
            returned.append(
                await writer.write(ledger.record_submitting, new_job("paid"))
            )

        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        gate.open()

    assert [job.item_id for job in returned] == ["paid"]


async def test_a_task_cancelled_by_asyncio_does_not_cancel_its_write(
    writer, gate, ledger, path, new_job
):
    task = asyncio.create_task(writer.write(ledger.record_submitting, new_job("paid")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()

    job = await writer.write(ledger.record_submitting, new_job("next"))

    assert job.status is S.SUBMITTING
    with Ledger(path, read_only=True) as reader:
        assert reader.count_by_status() == {S.SUBMITTING: 2}


@pytest.fixture
async def patient_writer(ledger):
    """What is patient waits longer than any test takes."""
    async with LedgerWriter(ledger, linger_s=3600.0) as ledger_writer:
        yield ledger_writer


async def test_a_patient_write_shares_the_commit_of_the_next_one(
    patient_writer, ledger, new_job
):
    async with asyncio.TaskGroup() as group:
        patient = group.create_task(
            patient_writer.write_patiently(ledger.record_facts, tool="a")
        )
        await asyncio.sleep(0)
        assert ledger.begins == 0
        await patient_writer.write(ledger.record_submitting, new_job())
        await patient

    assert ledger.commits == 1
    assert ledger.find_facts() == Facts(tool="a")


async def test_patient_writes_keep_their_order(patient_writer, ledger, new_job):
    job = await patient_writer.write(ledger.record_submitting, new_job())
    async with asyncio.TaskGroup() as group:
        group.create_task(patient_writer.write_patiently(ledger.record_unknown, job))
        await asyncio.sleep(0)
        found = await patient_writer.write(ledger.find_jobs_of, "oak")

    assert found[0].status is S.UNKNOWN


async def test_patience_ends_by_itself(ledger, new_job):
    async with LedgerWriter(ledger, linger_s=0.0) as writer:
        for number in range(2):
            job = new_job(f"{number}")
            await writer.write_patiently(ledger.record_submitting, job)

    assert ledger.commits == 2


async def test_leaving_finishes_what_is_patient(ledger, path, new_job):
    async with LedgerWriter(ledger, linger_s=3600.0) as writer:
        task = asyncio.create_task(
            writer.write_patiently(ledger.record_submitting, new_job())
        )
        await asyncio.sleep(0)
    await task

    with Ledger(path, read_only=True) as reader:
        assert reader.count_by_status() == {S.SUBMITTING: 1}


async def test_a_patient_write_that_is_cancelled_is_done_all_the_same(
    patient_writer, ledger, new_job
):
    task = asyncio.create_task(
        patient_writer.write_patiently(ledger.record_submitting, new_job("a"))
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await patient_writer.write(ledger.record_submitting, new_job("b"))

    assert ledger.count_by_status() == {S.SUBMITTING: 2}


async def test_leaving_finishes_what_is_queued(ledger, path, new_job):
    gate = Gate()
    async with LedgerWriter(ledger) as writer:
        tasks = [asyncio.create_task(writer.write(gate))]
        await gate.wait_until_entered()
        tasks += [
            asyncio.create_task(
                writer.write(ledger.record_submitting, new_job(f"{number}"))
            )
            for number in range(20)
        ]
        await asyncio.sleep(0)
        gate.open()
    await asyncio.gather(*tasks)

    with Ledger(path, read_only=True) as reader:
        assert reader.count_by_status() == {S.SUBMITTING: 20}
    assert not any(thread.name == "ledger-writer" for thread in threading.enumerate())


async def test_a_thousand_writes_are_a_handful_of_commits(writer, ledger, new_job):
    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(
                writer.write(ledger.record_submitting, new_job(f"{number}"))
            )

    assert ledger.commits < 100
    assert ledger.count_by_status() == {S.SUBMITTING: 1000}


async def test_a_job_s_life_is_written_by_its_own_task(writer, ledger, new_job):
    async def live(number):
        job = await writer.write(ledger.record_submitting, new_job(f"{number}"))
        job = await writer.write(
            ledger.record_submitted, replace(job, remote_id=f"job_{number}")
        )
        return await writer.write(ledger.record_succeeded, job)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(live(number)) for number in range(50)]

    assert {task.result().status for task in tasks} == {S.SUCCEEDED}
    assert ledger.count_by_status() == {S.SUCCEEDED: 50}
