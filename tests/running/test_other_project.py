"""A key of another project: noticed before anything is sent, or judged as lost."""

import pytest
from doubles.place import items
from knobs.world import PLAIN

from pipeline import ExitCode
from pipeline.emulator.identity import PROJECT_ID
from pipeline.ledger.ledger import LEDGER_NAME, Ledger

OURS, THEIRS = PROJECT_ID, "proj_theirs"


@pytest.fixture
async def ours(place_of):
    async with place_of() as place:
        yield place


def bound_to(place):
    with Ledger(place.output / LEDGER_NAME, read_only=True) as ledger:
        return ledger.find_facts().key_project


def belong_to(place, project_id):
    """As if the folder had been made with a key of this project."""
    with Ledger(place.output / LEDGER_NAME) as ledger:
        ledger.record_facts(key_project=project_id)


async def test_a_folder_learns_the_project_of_its_key_without_more_requests(ours):
    assert (await ours.play(items("an oak"))).code is ExitCode.OK

    assert bound_to(ours) == OURS
    assert ours.counters["requests"]["account"] == 2  # the team and its limits


async def test_a_key_of_another_project_is_refused_and_nothing_is_sent(ours):
    await ours.play(items("an oak"))
    belong_to(ours, THEIRS)

    played = await ours.play(items("an oak", "an elm"))
    planned = await ours.type("plan")

    assert played.code is ExitCode.ACCESS
    assert f"belongs to the project {THEIRS}" in played.error.message
    assert OURS in played.error.message
    assert played.error.hint
    assert planned.code == ExitCode.ACCESS
    assert ours.submits == 1
    assert bound_to(ours) == THEIRS


async def test_what_is_in_flight_is_not_judged_as_lost_with_a_key_of_another(ours):
    await ours.play(items("an oak"))
    with Ledger(ours.output / LEDGER_NAME) as ledger:
        ledger._connection.execute(
            "UPDATE jobs SET status = 'submitted', remote_id = 'job_of_theirs'"
        )
        ledger.record_facts(key_project=THEIRS)
    (ours.folder / "knobs.yaml.lock").unlink()
    (ours.output / "a.png.json").unlink()  # what is in flight has no file yet

    played = await ours.play(items("an oak"))

    assert played.code is ExitCode.ACCESS
    assert ours.submits == 1
    assert ours.job("a").status == "submitted"


async def test_a_folder_that_knows_no_project_yet_learns_it_without_complaint(ours):
    await ours.play(items("an oak"))
    with Ledger(ours.output / LEDGER_NAME) as ledger:
        ledger.record_facts(key_project=None)

    played = await ours.play(items("an oak", "an elm"))

    assert played.code is ExitCode.OK
    assert bound_to(ours) == OURS


async def test_a_key_that_may_not_read_its_team_learns_from_the_first_answer(place_of):
    async with place_of({"teams_status": 403}) as place:
        await place.play(PLAIN)
        assert bound_to(place) == OURS
        belong_to(place, THEIRS)

        played = await place.play(items("an oak"))

        assert played.code is ExitCode.ACCESS
        assert place.submits == 4


async def test_a_named_project_is_left_to_the_service(ours):
    ours.project_id = OURS

    assert (await ours.play(items("an oak"))).code is ExitCode.OK
    belong_to(ours, THEIRS)
    assert (await ours.play(items("an oak", "an elm"))).code is ExitCode.OK
