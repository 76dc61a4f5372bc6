"""Ledger: what is written is read back, and only legal steps are written."""

import itertools
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pipeline.errors import LedgerDamaged, LedgerError, UnexpectedAnswer
from pipeline.job import LEGAL_TRANSITIONS, Failure, JobStatus, Mark
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import IllegalTransition
from pipeline.record import replace
from pipeline.save_spec import CheckResult

S = JobStatus


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def only(ledger, item_id="oak"):
    [job] = ledger.find_jobs_of(item_id)
    return job


# --- rows ---------------------------------------------------------------------------


def test_a_job_comes_back_with_every_field(ledger, live, new_job, new_asset, whole):
    assets = (new_asset(1), new_asset(2, width_px=None, height_px=None))
    job = new_job(attempt=3, **whole, assets=assets)

    written = live(ledger, job, S.SAVED)

    assert only(ledger) == written == replace(job, row_id=1, status=S.SAVED)


def test_a_job_with_nothing_set_comes_back_so(ledger, new_job):
    job = ledger.record_submitting(new_job())

    found = only(ledger)

    assert found == replace(job, request={})  # before the first submit there is none
    assert found.row_id == 1


@pytest.mark.parametrize("charged", ["0", "7.25", "0.1", "1000000000.000001", "6"])
def test_units_are_kept_exactly(ledger, live, new_job, charged):
    live(ledger, new_job(charged=Decimal(charged)), S.SUBMITTED)

    assert str(only(ledger).charged) == charged


def test_a_failure_without_a_class_is_kept(ledger, live, new_job):
    failure = Failure(kind=None, reason="the answer is lost")

    live(ledger, new_job(failure=failure), S.UNKNOWN)

    assert only(ledger).failure == failure


def test_an_empty_echo_is_not_the_same_as_none(ledger, live, new_job):
    live(ledger, new_job("a", echo=None), S.SUBMITTED)
    live(ledger, new_job("b", echo={}), S.SUBMITTED)

    assert only(ledger, "a").echo is None
    assert only(ledger, "b").echo == {}


def test_times_are_kept_to_the_millisecond_in_utc(ledger, live, new_job, now):
    live(ledger, new_job(sent_at=now), S.SUBMITTING)

    assert only(ledger).sent_at == now
    assert only(ledger).sent_at.utcoffset().total_seconds() == 0


def test_what_was_fixed_at_first_is_not_changed_by_a_later_step(ledger, new_job):
    job = ledger.record_submitting(new_job())

    ledger.record_submitted(replace(job, job_key="another", item_id="elm"))

    assert only(ledger).job_key == "key-oak"


def test_an_attempt_exists_once(ledger, new_job):
    ledger.record_submitting(new_job())

    with pytest.raises(sqlite3.IntegrityError):
        ledger.record_submitting(new_job())


# --- transitions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    list(itertools.product(S, S)),
    ids=lambda status: status.value,
)
def test_a_step_is_written_if_and_only_if_it_is_legal(  # noqa: PLR0917 - fixtures
    ledger, live, record, new_job, new_asset, before, after
):
    job = live(ledger, new_job(remote_id="job_1", assets=(new_asset(),)), before)
    row = only(ledger)
    later = replace(job, author_id="someone")

    if after in LEGAL_TRANSITIONS[before]:
        assert record(ledger, after)(later).status is after
        assert only(ledger).status is after
        assert only(ledger).author_id == "someone"
    else:
        with pytest.raises(IllegalTransition, match="oak"):
            record(ledger, after)(later)
        assert only(ledger) == row


def test_the_row_decides_and_not_what_the_job_says_of_itself(ledger, live, new_job):
    job = live(ledger, new_job(), S.SAVED)

    with pytest.raises(IllegalTransition):
        ledger.record_submitting(replace(job, status=S.PLANNED))


def test_a_row_that_is_not_there_cannot_take_a_step(ledger, new_job):
    with pytest.raises(IllegalTransition):
        ledger.record_submitted(new_job(row_id=99, remote_id="job_1"))


CHECKED = {
    "original_sha256": "b" * 64,
    "original_size_bytes": 77,
    "recipe": '{"format": "webp"}',
    "checks": (CheckResult(name="alpha", why="none"), CheckResult(name="min_px")),
    "likeness": "0123456789abcdef",
}


def test_how_a_file_was_saved_and_checked_comes_back(ledger, live, new_job, new_asset):
    asset = replace(new_asset(1), **CHECKED)
    job = ledger.record_saved(
        replace(live(ledger, new_job(), S.SUCCEEDED), assets=(asset,))
    )

    assert ledger.find_jobs_of(job.item_id)[0].assets == (asset,)
    assert list(ledger.find_checked()) == [(job.item_id, asset)]
    assert ledger.find_originals() == {asset.path: "b" * 64}


def test_what_is_checked_again_replaces_the_results(ledger, live, new_job, new_asset):
    asset = replace(new_asset(1), **CHECKED)
    job = ledger.record_saved(
        replace(live(ledger, new_job(), S.SUCCEEDED), assets=(asset,))
    )
    passed = replace(asset, checks=(CheckResult(name="alpha"),), likeness="")

    ledger.record_checks(job.row_id, passed)

    assert ledger.find_jobs_of(job.item_id)[0].assets == (passed,)


def test_a_file_that_nothing_checked_is_not_among_the_checked(
    ledger, live, new_job, new_asset
):
    ledger.record_saved(
        replace(live(ledger, new_job(), S.SUCCEEDED), assets=(new_asset(1),))
    )

    assert list(ledger.find_checked()) == []
    assert ledger.find_originals() == {}


def test_results_that_cannot_be_read_are_damage(ledger, live, new_job, new_asset):
    job = ledger.record_saved(
        replace(live(ledger, new_job(), S.SUCCEEDED), assets=(new_asset(1),))
    )
    ledger._connection.execute("UPDATE assets SET checks = '['")

    with pytest.raises(LedgerDamaged):
        ledger.find_jobs_of(job.item_id)


def test_saving_again_replaces_the_assets(ledger, live, new_job, new_asset):
    job = live(ledger, new_job(assets=(new_asset(1), new_asset(2))), S.SAVED)
    job = ledger.record_succeeded(job)

    ledger.record_saved(replace(job, assets=(new_asset(1, path="b.png"),)))

    assert [asset.path for asset in only(ledger).assets] == ["b.png"]


def test_an_illegal_save_leaves_the_assets_alone(ledger, live, new_job, new_asset):
    job = live(ledger, new_job(assets=(new_asset(1, path="a.png"),)), S.SAVED)

    ledger.begin()
    with pytest.raises(IllegalTransition):
        ledger.record_saved(replace(job, assets=(new_asset(1, path="b.png"),)))
    ledger.commit()

    assert [asset.path for asset in only(ledger).assets] == ["a.png"]


# --- one remote job, one row --------------------------------------------------------


def test_the_job_s_own_answer_takes_it_from_who_adopted_it(ledger, live, new_job):
    live(ledger, new_job("a", remote_id="job_1"), S.SUBMITTED)
    adopter = only(ledger, "a")
    mine = live(ledger, new_job("b"), S.SUBMITTING)

    ledger.record_submitted(replace(mine, remote_id="job_1"))

    assert only(ledger, "b").remote_id == "job_1"
    assert only(ledger, "b").status is S.SUBMITTED
    assert only(ledger, "a") == replace(adopter, remote_id=None, status=S.UNKNOWN)


def test_an_illegal_submit_takes_nothing_from_anyone(ledger, live, new_job):
    live(ledger, new_job("a", remote_id="job_1"), S.SUBMITTED)
    adopter = only(ledger, "a")
    mine = live(ledger, new_job("b"), S.SAVED)

    ledger.begin()
    with pytest.raises(IllegalTransition):
        ledger.record_submitted(replace(mine, remote_id="job_1"))
    ledger.commit()

    assert only(ledger, "a") == adopter


def test_recording_one_s_own_id_again_takes_it_from_nobody(ledger, live, new_job):
    job = live(ledger, new_job("a", remote_id="job_1"), S.FAILED)

    ledger.record_submitted(job)

    assert only(ledger, "a").remote_id == "job_1"
    assert only(ledger, "a").status is S.SUBMITTED


def test_rows_without_a_remote_id_do_not_collide(ledger, live, new_job):
    live(ledger, new_job("a"), S.UNKNOWN)
    live(ledger, new_job("b"), S.UNKNOWN)

    assert len(list(ledger.find_jobs_in(S.UNKNOWN))) == 2


# --- finding ------------------------------------------------------------------------


def test_attempts_are_found_newest_first(ledger, live, new_job):
    for attempt in (1, 3, 2):
        live(ledger, new_job(attempt=attempt), S.FAILED)

    assert [job.attempt for job in ledger.find_jobs_of("oak")] == [3, 2, 1]
    assert ledger.find_jobs_of("elm") == []


def test_jobs_are_found_by_status_oldest_first(ledger, live, new_job):
    live(ledger, new_job("c"), S.UNKNOWN)
    live(ledger, new_job("a"), S.SUBMITTING)
    live(ledger, new_job("b"), S.SAVED)

    found = ledger.find_jobs_in(S.SUBMITTING, S.UNKNOWN)

    assert [job.item_id for job in found] == ["c", "a"]
    assert list(ledger.find_jobs_in(S.SUCCEEDED)) == []
    assert list(ledger.find_jobs_in()) == []


def test_only_an_item_s_newest_attempt_counts_for_the_item(ledger, live, new_job):
    live(ledger, new_job("a", 1), S.FAILED)
    live(ledger, new_job("a", 2), S.SAVED)
    live(ledger, new_job("b", 1), S.FAILED)

    assert [job.item_id for job in ledger.find_latest_jobs_in(S.FAILED)] == ["b"]
    assert ledger.count_by_status() == {S.FAILED: 1, S.SAVED: 1}


def test_owned_ids_are_those_of_any_attempt(ledger, live, new_job):
    live(ledger, new_job("a", 1, remote_id="job_1"), S.FAILED)
    live(ledger, new_job("a", 2, remote_id="job_2"), S.SAVED)

    assert ledger.find_owned(["job_1", "job_2", "job_3"]) == {"job_1", "job_2"}
    assert ledger.find_owned([]) == set()


def test_a_path_belongs_to_who_saved_it_last(ledger, live, new_job, new_asset):
    live(ledger, new_job("a", assets=(new_asset(path="x.png"),)), S.SAVED)
    live(ledger, new_job("b", assets=(new_asset(path="x.png"),)), S.SAVED)

    assert ledger.find_path_owner("x.png") == "b"
    assert ledger.find_path_owner("y.png") is None


def test_uploads_are_remembered_per_project(ledger, now):
    ledger.record_upload("aa", "proj_1", "asset_1", now)
    ledger.record_upload("aa", "proj_2", "asset_2", now)
    ledger.record_upload("bb", "proj_1", "asset_3", now)
    ledger.record_upload("bb", "proj_1", "asset_4", now)
    ledger.forget_upload("aa", "proj_1")
    ledger.forget_upload("cc", "proj_1")

    assert ledger.find_uploads("proj_1") == {"bb": "asset_4"}
    assert ledger.find_uploads("proj_2") == {"aa": "asset_2"}
    assert ledger.find_uploads("") == {}


def test_facts_are_remembered_replaced_and_forgotten(ledger):
    since = datetime(2026, 11, 30, 10, tzinfo=UTC)
    ledger.record_facts(author_id="1", manifests=("icons", "trees"))
    ledger.record_facts(author_id="2", rebuilt_since=since, tool="")
    known = ledger.find_facts()
    ledger.record_facts(rebuilt_since=None)

    assert known == Facts(
        author_id="2", manifests=("icons", "trees"), rebuilt_since=since
    )
    assert ledger.find_facts() == replace(known, rebuilt_since=None)


def test_a_fact_that_cannot_be_read_is_damage(ledger):
    ledger._connection.execute("INSERT INTO meta VALUES ('rebuilt_since', 'soon')")

    with pytest.raises(LedgerDamaged, match="soon"):
        ledger.find_facts()


def test_service_and_project_are_those_of_the_first_job_until_a_run_binds_it(
    ledger, live, new_job
):
    assert ledger.find_facts() == Facts()
    live(ledger, new_job("a", base_url="https://a", project_id="p"), S.SUBMITTING)
    live(ledger, new_job("b", base_url="https://b"), S.SUBMITTING)

    assert ledger.find_facts() == Facts(base_url="https://a", project_id="p")
    ledger.record_facts(base_url="https://c", project_id="")
    assert ledger.find_facts() == Facts(base_url="https://c")


def test_runs_are_counted_from_one(ledger, now):
    assert [ledger.record_run_started(now) for _ in range(3)] == [1, 2, 3]
    ledger.record_run_ended(2, now, 3)


def test_a_found_job_is_saved_at_once(ledger, new_job, new_asset, whole):
    job = new_job(**whole | {"failure": None}, assets=(new_asset(),))

    ledger.record_found(job)

    assert only(ledger) == replace(job, row_id=1, status=S.SAVED)


@pytest.mark.parametrize("status", S)
def test_a_salvaged_row_keeps_its_status(ledger, new_job, new_asset, status):
    job = new_job(status=status, remote_id="job_1", assets=(new_asset(),))

    ledger.record_salvaged(job)

    assert only(ledger).status is status
    assert only(ledger).remote_id == "job_1"
    assert bool(only(ledger).assets) is (status is S.SAVED)


# --- renamed items --------------------------------------------------------------------


def test_a_renamed_item_takes_its_rows_and_paths_along(
    ledger, live, new_job, new_asset
):
    """One output's new name is another's old one."""
    assets = (new_asset(1, path="oak.png"), new_asset(2, path="oak-1.png"))
    live(ledger, new_job(item_id="oak", assets=assets), JobStatus.SAVED)

    ledger.record_renamed(
        "oak", "oak-1", {"oak.png": "oak-1.png", "oak-1.png": "oak-1-1.png"}
    )

    (job,) = ledger.find_jobs_of("oak-1")
    assert [asset.path for asset in job.assets] == ["oak-1.png", "oak-1-1.png"]
    assert ledger.find_jobs_of("oak") == []
    assert ledger.find_leftovers() == {
        "oak.png": "oak-1.png",
        "oak-1.png": "oak-1-1.png",
    }


def test_what_is_taken_over_is_newer_than_what_was_there(ledger, live, new_job):
    own = live(ledger, new_job(item_id="oak"), JobStatus.FAILED)
    first = live(ledger, new_job(item_id="fir"), JobStatus.FAILED)
    second = live(ledger, new_job(item_id="fir", attempt=2), JobStatus.SUBMITTED)

    shift = ledger.record_renamed("fir", "oak", {})

    assert shift == 1
    found = ledger.find_jobs_of("oak")
    assert [job.row_id for job in found] == [second.row_id, first.row_id, own.row_id]
    assert [job.attempt for job in found] == [3, 2, 1]


def test_what_was_to_be_cleared_stays_once_it_belongs_there(ledger):
    ledger.record_leftovers({"fir.png": "oak.png"})

    ledger.record_renamed("oak", "fir", {"oak.png": "fir.png"})

    assert ledger.find_leftovers() == {"oak.png": "fir.png"}


def test_leftovers_are_paths_that_are_known_until_they_are_forgotten(ledger):
    ledger.record_renamed("oak", "fir", {"oak.png": "fir.png"})
    known = ledger.find_paths()

    ledger.forget_leftovers(["oak.png"])

    assert known == {"oak.png"}
    assert ledger.find_paths() == set()


@pytest.mark.parametrize("keys", [("key", "other"), ("other", "request")], ids=str)
def test_items_that_ask_for_the_same_are_found_oldest_first(
    ledger, live, new_job, keys
):
    for item_id in ("yew", "oak"):
        job = new_job(item_id=item_id, job_key="key", request_key="request")
        live(ledger, job, JobStatus.SUBMITTING)
    asked = dict(zip(("job_key", "request_key"), keys, strict=True))

    found = ledger.find_items_asking(**asked)

    assert [item_id for item_id, _ in found] == ["yew", "oak"]
    assert ledger.has_request(**asked)
    assert not ledger.has_request(job_key="other", request_key="another")


# --- what cannot be read of sums and marks ---------------------------------------------


def test_charges_above_their_quotes_are_found_and_no_others(ledger, live, new_job):
    for number, (quoted, charged) in enumerate([("6", "6"), ("6", "9.5"), ("9", "1")]):
        job = new_job(f"t{number}", remote_id=f"job_{number}")
        live(
            ledger,
            replace(job, quoted=Decimal(quoted), charged=Decimal(charged)),
            S.SUBMITTED,
        )

    assert list(ledger.find_overcharges()) == [(Decimal(6), Decimal("9.5"))]


def test_a_charge_that_is_no_number_is_left_to_who_reads_the_row(ledger, live, new_job):
    live(ledger, new_job(quoted=Decimal(6), charged=Decimal(6)), S.SUBMITTED)
    ledger._connection.execute("UPDATE jobs SET charged = '9 units'")

    assert list(ledger.find_overcharges()) == []
    with pytest.raises(LedgerDamaged):
        list(ledger.find_commitments())


def test_a_negative_amount_is_said_wherever_it_is_summed_up(ledger, live, new_job):
    live(ledger, new_job(charged=Decimal(6)), S.SUBMITTED)
    ledger._connection.execute("UPDATE jobs SET charged = '-6'")

    for read in (ledger.find_commitments, ledger.find_costs):
        with pytest.raises(LedgerError, match="has an impossible amount for job 1"):
            list(read())


def test_a_status_that_does_not_exist_is_damage(ledger, live, new_job):
    live(ledger, new_job(), S.SUBMITTED)
    ledger._connection.execute("PRAGMA ignore_check_constraints = ON")
    ledger._connection.execute("UPDATE jobs SET status = 'lost'")

    with pytest.raises(LedgerDamaged, match="'lost' is not a valid JobStatus"):
        ledger.count_by_status()


def test_a_mark_that_cannot_be_read_is_damage(ledger):
    mark = ledger.record_mark(Mark(created_at=NOON))
    ledger._connection.execute("UPDATE marks SET created_at = 'noon'")

    with pytest.raises(LedgerDamaged, match=f"mark {mark.mark_id} cannot be read"):
        ledger.find_mark(mark.mark_id)


def test_a_job_of_one_item_is_never_given_to_another(ledger, live, new_job):
    live(ledger, new_job(remote_id="job_1"), S.SAVED)
    other = ledger.record_submitting(new_job("elm"))

    with pytest.raises(UnexpectedAnswer, match="job_1, which belongs to item oak"):
        ledger.record_submitted(replace(other, remote_id="job_1"))
