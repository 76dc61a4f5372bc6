"""Listing: which filters go together, tokens, order, lags."""

import base64
import json

import pytest

from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.refusal import Refused
from pipeline.emulator.timeline import iso, to_ms


def read_all(service, **query):
    """Every page to the last token, as lists of job ids."""
    pages, token = [], ""
    while not pages or token:
        asked = {**query, **({"paginationToken": token} if token else {})}
        page = service.list_jobs(asked)
        pages.append([job["jobId"] for job in page["jobs"]])
        token = page.get("nextPaginationToken", "")
        assert len(pages) < 200
    return pages


def ids_of(service, **query):
    return [job_id for page in read_all(service, **query) for job_id in page]


@pytest.fixture
def filled(make_service, clock, submit):
    """A service with five jobs, one second apart."""

    def make(**knobs):
        service = make_service(**knobs)
        ids = []
        for number in range(5):
            ids.append(submit(service, f"tree {number}"))
            clock.advance(1)
        return service, ids

    return make


def test_newest_created_comes_first(filled):
    service, ids = filled()
    assert ids_of(service) == ids[::-1]


def test_direction_can_be_turned(filled):
    service, ids = filled(list_newest_first=False)
    assert ids_of(service, pageSize="2") == ids
    assert ids_of(service, types="custom", pageSize="2") == ids


def test_pages_are_as_large_as_asked(filled):
    service, ids = filled()
    assert read_all(service, pageSize="2") == [ids[4:2:-1], ids[2:0:-1], ids[:1]]


def test_page_cap_makes_pages_smaller_than_asked(filled):
    service, _ = filled(page_cap=1)
    assert len(read_all(service, pageSize="100")) == 5


def test_with_a_type_the_order_is_by_update(filled, clock):
    service, ids = filled(job_seconds=(100, 100))
    clock.advance(6)
    # Only the first job, now 11 s old, has left the queue.
    assert ids_of(service, types="custom")[0] == ids[1]
    assert set(ids_of(service, types="custom")) == set(ids)


def test_updated_after_gives_only_what_changed(filled, clock):
    service, ids = filled(job_seconds=(100, 100))
    mark = iso(to_ms(clock.utc_now()))
    assert ids_of(service, types="custom", updatedAfter=mark) == []
    clock.advance(7)
    changed = ids_of(service, types="custom", updatedAfter=mark)
    assert changed == [ids[2], ids[1], ids[0]]


def test_created_after_gives_only_what_is_newer(filled):
    service, ids = filled()
    created = service.read_job(ids[2])["job"]["createdAt"]
    assert ids_of(service, createdAfter=created) == [ids[4], ids[3]]


def test_status_filter_obeys_the_present(filled, clock):
    service, ids = filled()
    clock.advance(7)
    done = ids_of(service, status="success")
    assert sorted(done) == sorted(ids[:3])


def test_heartbeat_moves_a_running_job_to_the_front(make_service, clock, submit):
    service = make_service(heartbeat_s=2, job_seconds=(1000, 1000))
    submit(service, "runs")
    clock.advance(500)
    mark = iso(to_ms(clock.utc_now()) - 2500)
    first = service.list_jobs({"types": "custom", "updatedAfter": mark})["jobs"]
    clock.advance(400)
    second = service.list_jobs({"types": "custom", "updatedAfter": mark})["jobs"]
    assert [len(first), len(second)] == [1, 1]
    assert second[0]["updatedAt"] > first[0]["updatedAt"]
    assert second[0] == service.read_job(second[0]["jobId"])["job"]


@pytest.mark.parametrize(
    "query",
    [
        {"types": "custom", "createdAfter": "2026-01-01T00:00:00.000Z"},
        {"status": "queued", "createdAfter": "2026-01-01T00:00:00.000Z"},
        {"updatedAfter": "2026-01-01T00:00:00.000Z"},
        {"pageSize": "101"},
        {"pageSize": "0"},
        {"pageSize": "many"},
        {"status": "processing"},
        {"createdAfter": "yesterday"},
        {"paginationToken": "made-up"},
    ],
)
def test_filters_that_do_not_go_together_are_400(make_service, query):
    with pytest.raises(Refused) as refused:
        make_service().list_jobs(query)
    assert refused.value.status == 400


def test_types_wins_over_type(filled):
    service, ids = filled()
    assert ids_of(service, type="upload", types="custom,upload") == ids[::-1]
    assert ids_of(service, type="upload") == []


def test_token_of_the_unfiltered_list_names_the_last_job_shown(filled):
    service, ids = filled()
    token = service.list_jobs({"pageSize": "2"})["nextPaginationToken"]
    assert json.loads(base64.b64decode(token)) == {
        "createdAt": service.read_job(ids[3])["job"]["createdAt"],
        "jobId": ids[3],
        "ownerId": PROJECT_ID,
    }


@pytest.mark.parametrize("shared", [True, False])
def test_jobs_of_another_key_are_seen_or_not(make_service, submit, shared):
    service = make_service(keys_share_jobs=shared)
    mine = submit(service)
    theirs = service.submit("model_wan-2-7-image", {"prompt": "x"}, "apiu_other")
    other = theirs.body["job"]["jobId"]
    seen = [job["jobId"] for job in service.list_jobs({}, "apiu_me")["jobs"]]
    assert seen == ([other, mine] if shared else [mine])
    if shared:
        assert service.read_job(other, "apiu_me")
    else:
        with pytest.raises(Refused):
            service.read_job(other, "apiu_me")


def test_workflow_filter_matches_nothing_here(filled):
    service, _ = filled()
    assert ids_of(service, workflowId="wflow_x") == []


def test_author_filter_reaches_back_30_days(filled, clock):
    service, ids = filled()
    assert ids_of(service, authorId="apiu_me") == ids[::-1]
    assert ids_of(service, authorId="apiu_other") == []
    clock.advance(31 * 24 * 3600)
    assert ids_of(service, authorId="apiu_me") == []
    assert ids_of(service, hideResults="false") == []
    long_ago = "2020-01-01T00:00:00.000Z"
    assert ids_of(service, authorId="apiu_me", createdAfter=long_ago) == ids[::-1]


def test_lagging_list_shows_the_world_as_it_was(filled, clock):
    service, ids = filled(list_lag_s=3)
    assert ids_of(service, types="custom") == [ids[2], ids[1], ids[0]][-3:]
    assert ids_of(service) == [ids[2], ids[1], ids[0]]
    clock.advance(6)
    by_id = {job["jobId"]: job for job in service.list_jobs({})["jobs"]}
    assert by_id[ids[0]]["status"] == "in-progress"
    assert service.read_job(ids[0])["job"]["status"] == "success"


def test_list_forgets_old_jobs(filled, clock):
    service, ids = filled(list_retention_s=7)
    clock.advance(3)
    assert ids_of(service) == ids[:1:-1]


def test_empty_pages_lose_nothing_and_repeat_no_token(filled):
    service, ids = filled()
    tokens, seen, token = [], [], ""
    while not tokens or token:
        asked = {"pageSize": "2", **({"paginationToken": token} if token else {})}
        page = service.list_jobs(asked, is_empty=len(tokens) % 3 < 2)
        seen += [job["jobId"] for job in page["jobs"]]
        token = page.get("nextPaginationToken", "")
        tokens.append(token)
    assert seen == ids[::-1]
    assert len(set(tokens)) == len(tokens) > 3


def test_endless_list_never_lacks_a_token(filled):
    service, ids = filled()
    page = service.list_jobs({}, is_endless=True)
    assert len(page["jobs"]) == len(ids)
    for _ in range(3):
        query = {"paginationToken": page["nextPaginationToken"]}
        page = service.list_jobs(query, is_endless=True)
        assert page["jobs"] == []


def test_page_of_changes_costs_what_it_shows(make_service, clock, submit, monkeypatch):
    service = make_service(job_seconds=(5, 5))
    for number in range(500):
        submit(service, f"tree {number}")
    clock.advance(60)
    service.list_jobs({"types": "custom"})
    mark = iso(to_ms(clock.utc_now()))
    clock.advance(1)
    submit(service, "the new one")
    described = []
    describe = service.job_view.describe

    def counted(*args, **options):
        described.append(1)
        return describe(*args, **options)

    monkeypatch.setattr(service.job_view, "describe", counted)

    page = service.list_jobs({"types": "custom", "updatedAfter": mark})

    assert len(page["jobs"]) == len(described) == 1


def test_log_of_changes_is_compacted(make_service, clock, submit):
    service = make_service(heartbeat_s=0.01, job_seconds=(1000, 1000))
    for number in range(3):
        submit(service, f"tree {number}")
    clock.advance(300)
    for _ in range(3000):
        clock.advance(0.01)
        service.list_jobs({"types": "custom"})
    index = service.store.index
    assert len(index._times) <= 4096 + 2 * 3 + 3
    assert len(ids_of(service, types="custom", pageSize="1")) == 3


@pytest.mark.parametrize(
    "place", [{"jobId": "job_none"}, {"by": "createdAt"}, {"by": "updatedAt"}, []]
)
def test_a_token_that_names_no_place_is_400(filled, place):
    service, _ = filled()
    token = base64.b64encode(json.dumps(place).encode()).decode()

    with pytest.raises(Refused) as refused:
        service.list_jobs({"paginationToken": token})

    assert refused.value.body["reason"] == "Invalid pagination token"
