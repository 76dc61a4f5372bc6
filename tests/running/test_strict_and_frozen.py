"""``--strict`` and ``--frozen``: dropped inputs stop a run, and nothing is paid for."""

from doubles.kills import Cut
from doubles.lost import LOST, of

from pipeline.errors import ExitCode
from pipeline.job import JobStatus


async def test_a_dropped_input_is_a_warning_and_in_the_result(workshop):
    workshop.write_items("oak")
    workshop.api.echo_omits = ("size",)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    said = "the service dropped size; the job was charged anyway"
    assert result.changed_inputs == {"oak": said}
    assert said in workshop.warnings()


async def test_with_strict_a_dropped_input_stops_the_submitting(batch):
    batch.api.echo_omits = ("size",)
    batch.set(strict=True, max_jobs=1)

    result = await batch.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert batch.job("tree-0").status is JobStatus.SAVED
    assert result.counts["not_submitted"] >= 8
    assert result.counts["saved"] <= 2
    assert "tree-0: the service dropped size" in batch.halts()[0]


async def test_with_strict_a_finished_item_with_a_dropped_input_is_still_an_error(
    batch,
):
    batch.api.echo_omits = ("size",)
    await batch.run()
    batch.set(strict=True)

    result = await batch.run()

    assert result.counts == {"done": 10}
    assert result.exit_code is ExitCode.ITEMS_FAILED


async def test_with_strict_and_nothing_dropped_all_is_well(batch):
    batch.set(strict=True)

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert result.changed_inputs == {}


async def test_frozen_never_submits(batch):
    batch.set(frozen=True)

    result = await batch.run()

    assert batch.api.submits == []
    assert result.exit_code is ExitCode.PLAN_MOVED
    assert result.counts == {"not_submitted": 10}


async def test_frozen_collects_and_settles_what_is_paid_for(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))
    workshop.api.break_down("list_jobs", "find_job", spared=1)
    cut = workshop.on_point = Cut(60)
    await workshop.run(scope=cut.scope)
    workshop.on_point = lambda _name: None
    workshop.api.mend()
    assert len(workshop.api.jobs) == 2
    workshop.set(frozen=True)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.statuses() == {"oak": "saved", "elm": "saved"}
    assert len(workshop.api.jobs) == 2


async def test_frozen_does_not_submit_again_what_is_settled_as_absent(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, where=of("oak"))
    workshop.api.break_down("list_jobs", spared=1)
    await workshop.run()
    workshop.api.mend()
    submits = len(workshop.api.submits)
    workshop.clock.jump(1000)
    workshop.set(frozen=True)

    result = await workshop.run()

    assert workshop.job("oak").status is JobStatus.PLANNED
    assert len(workshop.api.submits) == submits
    assert result.exit_code is ExitCode.PLAN_MOVED
    assert result.counts["not_submitted"] == 1


async def test_frozen_with_everything_there_is_well(batch):
    await batch.run()
    batch.set(frozen=True)

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"done": 10}
