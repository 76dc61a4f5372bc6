"""Joined ledgers: of what several know, the one that knows most counts, once."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.job import (
    Asset,
    AssetId,
    Failure,
    Job,
    JobKey,
    JobStatus,
    Mark,
    RemoteId,
)
from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.output.joined_ledger import Part, join_ledgers
from pipeline.record import replace
from pipeline.storage.folder import Folder

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
S = JobStatus


def job(item_id="oak", attempt=1, status=S.SAVED, remote="job_1", **named):
    is_saved = status is S.SAVED
    asset = Asset(
        asset_id=AssetId(f"asset_{remote}"),
        output_index=1,
        path=named.pop("path", f"{item_id}.png"),
        sha256="0" * 64,
        size_bytes=9,
        media_type="image/png",
        width_px=1,
        height_px=1,
    )
    return Job(
        item_id=item_id,
        attempt=attempt,
        job_key=JobKey("key"),
        request_key=JobKey(named.pop("request", "request")),
        model_id="model_x",
        status=status,
        remote_id=RemoteId(remote) if remote else None,
        sent_at=named.pop("sent_at", NOON + timedelta(minutes=attempt)),
        made_with="key-1",
        quoted=Decimal(6),
        assets=(asset,) if is_saved else (),
        **named,
    )


def hearsay(item_id="oak", remote="job_1"):
    """As a lock file tells of it."""
    told = job(item_id, status=S.SUCCEEDED, remote=remote, sent_at=None)
    return replace(told, made_with="")


@pytest.fixture
def part_of():
    """One folder with these rows."""
    numbers = itertools.count(1)

    def make(*jobs, is_target=False, mark=None):
        ledger = Ledger(IN_MEMORY)
        if mark is not None:
            ledger.record_mark(mark)
        for one in jobs:
            ledger.record_salvaged(one)
        ledger.record_facts(base_url="https://api.example/v1", project_id="")
        folder = Path(f"shard-{next(numbers)}")
        return Part(
            store=Folder(folder), ledger=ledger, named=str(folder), is_target=is_target
        )

    return make


def rows(*parts):
    return [
        (one.item_id, one.attempt, one.status, one.remote_id)
        for one in join_ledgers(parts).find_jobs_in(*JobStatus)
    ]


def test_what_a_ledger_has_made_counts_more_than_what_others_have_heard(part_of):
    made = part_of(job())

    found = rows(part_of(hearsay()), made, part_of(hearsay()))

    assert found == [("oak", 1, S.SAVED, "job_1")]


def test_the_last_state_of_a_job_counts_whatever_the_order(part_of):
    before = part_of(job(status=S.SUBMITTED), is_target=True)
    after = part_of(job())

    assert rows(before, after) == rows(after, before) == [("oak", 1, S.SAVED, "job_1")]


def test_the_ledger_with_the_newest_attempt_says_where_the_files_are(part_of):
    base = part_of(job())
    later = part_of(
        job(path="oak.old-1.png"), job(attempt=2, remote="job_2", request="other")
    )

    joined = join_ledgers([base, later])

    paths = [asset.path for _, asset in joined.find_assets_of("oak")]
    assert paths == ["oak.old-1.png", "oak.png"]


def test_two_jobs_that_were_paid_for_one_item_are_both_kept(part_of):
    found = rows(part_of(job()), part_of(job(remote="job_2", request="other")))

    assert found == [("oak", 1, S.SAVED, "job_1"), ("oak", 2, S.SAVED, "job_2")]


def test_a_job_whose_item_was_renamed_belongs_to_the_new_one(part_of):
    target = part_of(job("oak"), is_target=True)

    assert rows(target, part_of(job("elm")), part_of(hearsay("oak"))) == [
        ("elm", 1, S.SAVED, "job_1")
    ]


def test_a_job_that_two_items_claim_is_named(part_of):
    with pytest.raises(UsageError, match="job job_1 belongs to elm in shard-2"):
        rows(part_of(job("oak")), part_of(job("elm")))


def test_a_job_that_two_shards_have_for_equal_requests_is_of_the_one_that_sent_it(
    part_of,
):
    sent, taken = job("oak"), job("elm", sent_at=None)

    for parts in ([sent, taken], [taken, sent]):
        found = rows(*map(part_of, parts))
        assert found == [("oak", 1, S.SAVED, "job_1")]


def test_an_unsure_submit_keeps_a_mark_from_which_all_was_compared(part_of):
    """Without it, the submit could never be proved absent."""
    mark = Mark(created_at=NOON, listed=(RemoteId("job_0"),))
    unsure = job(status=S.UNKNOWN, remote="", mark_id=1)
    part = part_of(unsure, mark=mark)
    part.ledger.record_reconciled([1])

    joined = join_ledgers([part_of(), part])

    (kept,) = joined.find_jobs_in(*JobStatus)
    assert joined.find_mark(kept.mark_id or 0) == replace(
        mark, mark_id=kept.mark_id or 0
    )
    assert joined.find_open_marks() == []


def test_an_unsure_submit_keeps_its_mark_and_is_settled_once(part_of):
    mark = Mark(created_at=NOON, listed=(RemoteId("job_0"),))
    unsure = job(
        status=S.UNKNOWN,
        remote="",
        mark_id=1,
        failure=Failure(kind=None, reason="no answer"),
    )
    lost = part_of(unsure, mark=mark)
    settled = part_of(replace(job(), mark_id=1), mark=mark)

    (kept,) = join_ledgers([part_of(), lost]).find_jobs_in(*JobStatus)
    joined = join_ledgers([lost, settled])

    assert kept.status is S.UNKNOWN
    found = join_ledgers([part_of(), lost]).find_mark(kept.mark_id or 0)
    assert found == replace(mark, mark_id=kept.mark_id or 0)
    assert [one.remote_id for one in joined.find_jobs_in(*JobStatus)] == ["job_1"]
    assert len(joined.find_open_marks()) == 1


def test_uploads_contents_and_runs_of_all_are_kept_once(part_of):
    parts = [part_of(job()), part_of(job("elm", remote="job_2"))]
    for part in parts:
        part.ledger.record_upload("a" * 64, "", AssetId("asset_a"), NOON)
        run_id = part.ledger.record_run_started(NOON)
        part.ledger.record_run_ended(run_id, NOON, 0)
    parts[1].ledger.record_run_started(NOON + timedelta(hours=1))

    joined = join_ledgers(parts)
    again = join_ledgers(
        [Part(store=Folder(Path("all")), ledger=joined, named="all"), *parts]
    )

    for ledger in (joined, again):
        uploads, contents, runs = ledger.find_history()
        assert len(uploads) == 1
        assert len(contents) == len(runs) == 2
