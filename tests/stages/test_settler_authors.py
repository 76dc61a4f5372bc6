"""Settler: whose job it is, and what an author proves."""

import pytest
from doubles.jobs import MODEL
from doubles.settler_desk import OAK, STRANGER, unsure


async def test_once_submit_and_list_agree_who_we_are_others_are_passed_over(desk):
    desk.own()
    job = desk.lost()
    desk.api.add_job(OAK, author_id=STRANGER)

    assert await desk.settle_all(job) == {"oak": None}


@pytest.mark.parametrize(
    "said", ["apiu_another_name_of_ours", ""], ids=["other", "none"]
)
async def test_while_they_do_not_agree_another_author_proves_nothing(desk, said):
    desk.own(said=said)
    job = desk.lost()
    desk.api.add_job({**OAK, "seed": 8}, author_id=STRANGER)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_once_they_have_disagreed_no_author_proves_anything(desk):
    desk.own(said="apiu_another_name_of_ours")
    desk.own()
    job = desk.lost()
    desk.api.add_job({**OAK, "seed": 8}, author_id=STRANGER)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_an_author_proves_nothing_for_a_submit_with_another_key(desk):
    desk.own()
    job = desk.lost(made_with="another key")
    made = desk.api.add_job(OAK, author_id="apiu_the_other_key")

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_submit_with_another_key_is_never_proved_absent(desk):
    """This key may not see what the other has made."""
    desk.own()
    job = desk.lost(made_with="another key")

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)
    assert "another API key" in outcome.message


async def test_a_record_without_an_author_may_be_ours(desk):
    desk.own()
    job = desk.lost()
    made = desk.api.add_job(OAK, author_id="")

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_an_adopted_job_teaches_nothing(desk):
    desk.identity.last_author_id = ""
    job = desk.lost()
    made = desk.api.add_job(OAK, author_id=STRANGER)
    await desk.settle_all(job)

    desk.identity.note_own(await desk.api.find_job(made.remote_id))

    assert desk.identity.last_author_id == ""


async def test_a_job_that_a_row_owns_is_never_adopted(desk):
    """Another item's job, and the job of an earlier attempt of this item."""
    job = desk.lost()
    desk.own(OAK)

    assert await desk.settle_all(job) == {"oak": None}


async def test_a_submit_under_way_gets_its_own_job_first(desk):
    """Whose the listed job is shows with the answer that is still to come."""
    desk.own()
    job = desk.lost()
    answered = desk.unanswered.begin(MODEL)
    made = desk.api.add_job(OAK)

    async with desk.settling(job):
        await desk.clock.advance(30)
        early = dict(desk.ended)
        desk.own(OAK, made=made)
        answered()
        await desk.clock.advance(60)

    assert early == {}
    assert desk.ended == {"oak": None}
