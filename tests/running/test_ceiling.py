"""A run at the ceiling of parallel jobs: it costs time and no item."""

import anyio

from pipeline.errors import ExitCode, RateLimited


async def test_a_refusal_by_the_ceiling_costs_time_and_no_item(workshop):
    names = [f"tree-{number}" for number in range(12)]
    workshop.write_items(*names)
    workshop.api.ceiling = 3

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == dict.fromkeys(names, 1)
    assert workshop.api.most_in_flight == 3
    refused = len(workshop.api.submits) - 12
    assert 0 < refused <= workshop.settings.posts + 4


async def test_a_refused_item_goes_back_to_planned_in_the_same_attempt(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", RateLimited("busy", ceiling=5))

    await workshop.run()

    assert workshop.history("oak")[:3] == ["submitting", "planned", "submitting"]
    assert workshop.job("oak").attempt == 1


async def test_a_refused_item_does_not_go_to_the_end_of_the_line(workshop):
    names = [f"tree-{number}" for number in range(6)]
    workshop.write_items(*names)
    workshop.api.readable_ceiling = 1
    workshop.api.fail_next("submit", RateLimited("busy"))

    await workshop.run()

    order = [str(job.inputs["prompt"]) for job in workshop.api.jobs]
    assert order == names


async def test_max_jobs_is_never_exceeded(workshop):
    workshop.write_items(*(f"tree-{number}" for number in range(9)))
    workshop.set(max_jobs=2)

    await workshop.run()

    assert workshop.api.most_in_flight == 2
    assert len(workshop.api.jobs) == 9


async def test_a_ceiling_that_can_be_read_is_kept_from_the_start(workshop):
    workshop.write_items(*(f"tree-{number}" for number in range(9)))
    workshop.api.ceiling = workshop.api.readable_ceiling = 4

    await workshop.run()

    assert len(workshop.api.submits) == 9
    assert workshop.api.most_in_flight == 4


async def test_a_ceiling_held_by_others_delays_the_run_and_fails_nothing(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", RateLimited("busy"), times=5)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.clock.monotonic_s() > 1 + 2 + 4 + 5 + 5
    assert len(workshop.api.submits) == 1


async def test_a_slot_is_free_while_the_asset_is_still_downloading(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.ceiling = workshop.api.readable_ceiling = 1
    workshop.transfer.gate = anyio.Event()

    async def look(_run):
        await workshop.clock.sleep(50)
        jobs_made.append(len(workshop.api.jobs))
        saved.extend(workshop.files())
        workshop.transfer.gate.set()

    jobs_made, saved = [], []
    result = await workshop.run(meanwhile=look)

    assert jobs_made == [2]
    assert not any(name.endswith(".json") for name in saved)
    assert result.counts == {"saved": 2}


async def test_a_first_job_that_is_refused_beside_jobs_of_others_lets_the_next_go_first(
    workshop,
):
    """Several machines share the project, and all slots are taken."""
    workshop.write_items("oak", "elm", "ash")
    api = workshop.api
    api.fail_next("submit", RateLimited("busy"))

    def others(point):
        if point == "submit" and not api.jobs:
            api.add_job({"prompt": "a stone", "seed": 5})

    workshop.on_point = others
    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts["saved"] == 3
    assert len(api.jobs) == 4
