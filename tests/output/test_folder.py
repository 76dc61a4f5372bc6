"""The output folder of a fresh checkout: what is paid for is known from the lock file.

What would be paid for is read in plans and in the service's counters.
"""

from decimal import Decimal

import anyio
from doubles.checkout import check_out, learn, planned, write

from pipeline.errors import ExitCode
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.output.folder import open_for_reading


async def test_a_fresh_folder_knows_from_the_lock_what_is_paid_for(workshop, lock_file):
    workshop.write_items("oak", "elm")
    await workshop.run()
    write(workshop, lock_file)
    check_out(workshop)
    workshop.write_items("oak", "elm", "fir")

    assert planned(workshop, lock_file) == {
        "oak": "fetch",
        "elm": "fetch",
        "fir": "submit",
    }
    assert list(workshop.output.iterdir()) == []

    learn(workshop, lock_file)
    result = await workshop.run()

    assert result.counts == {"saved": 3}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1, "fir": 1}
    assert workshop.files() >= {"oak.png", "oak.png.json", "elm.png", "fir.png"}


async def test_a_job_that_was_in_flight_is_collected_by_a_fresh_checkout(
    workshop, lock_file
):
    workshop.write_items("oak")
    scope = anyio.CancelScope()

    async def leave(_run):
        await workshop.clock.sleep(5)
        scope.cancel()

    await workshop.run(meanwhile=leave, scope=scope)
    assert workshop.job("oak").status is JobStatus.SUBMITTED
    write(workshop, lock_file)
    check_out(workshop)

    assert planned(workshop, lock_file) == {"oak": "collect"}

    learn(workshop, lock_file)
    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1}


async def test_what_a_lock_knows_counts_in_the_budget(workshop, lock_file):
    workshop.write_items("oak", "elm")
    await workshop.run()
    write(workshop, lock_file)
    check_out(workshop)
    workshop.write_items("oak", "elm", "fir")
    learn(workshop, lock_file)
    workshop.set(max_cost=Decimal(17))

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert result.cost.taken == workshop.api.spent == 12


async def test_a_changed_item_is_new_in_spite_of_the_lock(workshop, lock_file):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    check_out(workshop)
    workshop.write("items:\n  - {id: oak, prompt: an old oak}\n")

    assert planned(workshop, lock_file) == {"oak": "submit"}


async def test_a_lock_is_learned_once_and_adds_no_second_row(workshop, lock_file):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)

    for _ in range(3):
        learn(workshop, lock_file)

    assert len(workshop.attempts("oak")) == 1
    assert planned(workshop, lock_file) == {"oak": "done"}


async def test_a_ledger_that_has_an_item_learns_the_job_of_a_colleague_too(
    workshop, lock_file
):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    check_out(workshop)
    workshop.write("items:\n  - {id: oak, prompt: an old oak}\n")
    await workshop.run()
    workshop.write_items("oak")

    assert planned(workshop, lock_file) == {"oak": "fetch"}

    learn(workshop, lock_file)
    assert {job.remote_id for job in workshop.attempts("oak")} == {"job_1", "job_2"}
    assert [job.attempt for job in workshop.attempts("oak")] == [2, 1]


async def test_without_a_lock_nothing_is_learned_and_nothing_missed(
    workshop, lock_file
):
    workshop.write_items("oak")

    learn(workshop, lock_file)
    learn(workshop, None)

    assert planned(workshop, None) == planned(workshop, lock_file) == {"oak": "submit"}


async def test_a_plan_that_asks_no_service_takes_the_lock_s_word(workshop, lock_file):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    check_out(workshop)

    assert planned(workshop, lock_file, None) == {"oak": "fetch"}


async def test_a_lock_of_ours_need_not_be_learned_again(workshop, lock_file):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)

    with open_for_reading(workshop.output, lock_file) as ledger:
        assert ledger.path == workshop.output / LEDGER_NAME  # no copy
