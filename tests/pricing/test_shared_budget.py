"""One limit on what the jobs of several ledgers cost together."""

from decimal import Decimal

import anyio
import pytest

from pipeline.job import Job, JobKey, JobStatus, RemoteId
from pipeline.pricing import Budget
from pipeline.pricing.budget import OverBudget, SharedBudget
from pipeline.record import replace


def job(row_id, status=JobStatus.SUBMITTED, quoted="6"):
    return Job(
        row_id=row_id,
        item_id=f"item-{row_id}",
        attempt=1,
        job_key=JobKey("key"),
        request_key=JobKey("request"),
        model_id="model_x",
        status=status,
        remote_id=RemoteId(f"job_{row_id}"),
        quoted=Decimal(quoted),
    )


@pytest.fixture
def shared():
    return SharedBudget(Decimal(20))


def test_what_one_has_taken_is_left_to_no_other(shared):
    one = Budget(None, [(1, JobStatus.SAVED, Decimal(9))], shared=shared)
    other = Budget(None, [], shared=shared)

    with one.holding(Decimal(6)):
        assert other.left == shared.left == 5
        assert not other.allows(Decimal(6))
        with pytest.raises(OverBudget), other.holding(Decimal(6)):
            pass
        assert "budget of 20 units" in other.reached(Decimal(6)).message
        assert "15 are charged" in other.reached(Decimal(6)).message
    assert other.allows(Decimal(11))


def test_the_limit_of_one_holds_for_it_alone(shared):
    one = Budget(Decimal(5), [], shared=shared)
    other = Budget(None, [], shared=shared)

    assert not one.allows(Decimal(6))
    assert "budget of 5 units" in one.reached(Decimal(6)).message
    assert one.left == 5
    assert other.allows(Decimal(20))
    assert other.is_limited
    assert not Budget(None, []).is_limited


async def test_what_is_given_back_to_one_makes_room_for_another(shared):
    one = Budget(None, [], shared=shared)
    other = Budget(None, [], shared=shared)
    running = job(1, quoted="18")
    one.note(running)
    found = []

    async def wait() -> None:
        found.append(await other.wait_for_room(Decimal(6)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert found == []
        one.note(
            replace(
                running,
                status=JobStatus.FAILED,
                charged=Decimal(18),
                refunded=Decimal(18),
            )
        )

    assert found == [True]


async def test_nobody_waits_for_room_that_cannot_come(shared):
    Budget(None, [(1, JobStatus.SAVED, Decimal(18))], shared=shared)
    other = Budget(None, [], shared=shared)

    assert not await other.wait_for_room(Decimal(6))


async def test_what_nobody_watches_any_more_is_not_waited_for(shared):
    one = Budget(None, [], shared=shared)
    other = Budget(None, [], shared=shared)
    one.note(job(1, quoted="18"))
    found = []

    async def wait() -> None:
        found.append(await other.wait_for_room(Decimal(6)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        one.close()

    assert found == [False]
    assert shared.taken == 18


def test_a_shard_counts_its_own_items_alone():
    counted = Budget(Decimal(20), [], counts=lambda item_id: item_id == "item-1")

    counted.note(job(1))
    counted.note(job(2))

    assert counted.taken == 6
