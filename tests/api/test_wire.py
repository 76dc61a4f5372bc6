"""Wire: the service's JSON → records, tolerant of all but what a record must have."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import wire
from pipeline.api.interface import RemoteStatus, UploadPart
from pipeline.clock import parse_utc
from pipeline.errors import UnexpectedAnswer
from pipeline.job import AssetId

WHOLE_JOB = {
    "jobId": "job_1",
    "jobType": "custom",
    "status": "success",
    "progress": 1,
    "createdAt": "2026-10-02T21:20:16.925Z",
    "updatedAt": "2026-10-02T21:21:00.000Z",
    "authorId": "apiu_1",
    "ownerId": "proj_1",
    "metadata": {
        "input": {"prompt": "an oak", "seed": 7, "modelId": "model_x"},
        "assetIds": ["asset_b", "asset_a"],
        "hint": "a hint",
    },
    "billing": {"cuCost": 6, "cuDiscount": 0, "cuCostDetails": {"quality-gate": 1.25}},
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
WRONG = [None, 0, 1.5, True, "text", [], ["x"], {}, {"a": {}}]
HOSTILE_IDS = [
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "a?b",
    "a#b",
    "a%2f",
    "a b",
    "a\tb",
    "a\n",
    "a\0",
    "a\x7f",
    "a\u202eb",
    "a\u00a0b",
    "x" * 257,
    "x" * 300,
    None,
    7,
    True,
    ["a"],
    {"a": 1},
]


def test_a_whole_job_is_read_whole():
    job = wire.parse_job(WHOLE_JOB)

    assert job.remote_id == "job_1"
    assert job.status is RemoteStatus.SUCCESS
    assert job.status_text == "success"
    assert job.has_ended
    assert job.created_at == parse_utc("2026-10-02T21:20:16.925Z")
    assert job.updated_at == parse_utc("2026-10-02T21:21:00Z")
    assert job.author_id == "apiu_1"
    assert job.model_id == "model_x"
    assert job.inputs == {"prompt": "an oak", "seed": 7}
    assert job.asset_ids == ("asset_b", "asset_a")  # the provider's order
    assert job.hint == "a hint"
    assert job.charged == Decimal("7.25")
    assert job.refunds


def test_a_job_with_nothing_but_an_id_is_running():
    job = wire.parse_job({"jobId": "job_1"})

    assert (job.status, job.status_text) == (RemoteStatus.RUNNING, "")
    assert (job.created_at, job.updated_at, job.charged) == (None, None, None)
    assert (job.author_id, job.model_id, job.error, job.hint) == ("", "", "", "")
    assert (job.inputs, job.asset_ids) == ({}, ())
    assert job.refunds


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("an oak", "an oak"),
        ({"tags": ["oak"]}, {"tags": ["oak"]}),
        ("", None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_result_in_the_record_is_read_and_an_empty_one_is_none(output, found):
    job = wire.parse_job({"jobId": "job_1", "metadata": {"output": output}})

    assert job.output == found
    assert job.status is RemoteStatus.RUNNING


def test_reading_a_job_leaves_the_answer_alone():
    asked = {"modelId": "m", "a": 1}

    wire.parse_job({"jobId": "j", "metadata": {"input": asked}})

    assert asked == {"modelId": "m", "a": 1}


@pytest.mark.parametrize(
    ("record", "remote_id"),
    [
        ({"jobId": "a", "id": "b"}, "a"),
        ({"id": "b"}, "b"),
        ({"jobId": "", "id": "b"}, "b"),
        ({"jobId": None, "id": "b"}, "b"),
        ({"jobId": "x" * 256}, "x" * 256),
    ],
)
def test_a_job_is_known_by_job_id_and_then_by_id(record, remote_id):
    assert wire.parse_job(record).remote_id == remote_id


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", RemoteStatus.RUNNING),
        ("queued", RemoteStatus.RUNNING),
        ("warming-up", RemoteStatus.RUNNING),
        ("in-progress", RemoteStatus.RUNNING),
        ("finalizing", RemoteStatus.RUNNING),
        ("success", RemoteStatus.SUCCESS),
        ("failure", RemoteStatus.FAILURE),
        ("canceled", RemoteStatus.CANCELED),
        ("processing", RemoteStatus.RUNNING),
        ("failed", RemoteStatus.FAILURE),
        ("thinking-hard", RemoteStatus.RUNNING),
        ("SUCCESS", RemoteStatus.RUNNING),
        ("", RemoteStatus.RUNNING),
        (None, RemoteStatus.RUNNING),
        (3, RemoteStatus.RUNNING),
    ],
)
def test_every_word_has_a_status_and_a_new_one_is_running(word, status):
    job = wire.parse_job({"jobId": "j", "status": word})

    assert job.status is status
    assert job.has_ended is (status is not RemoteStatus.RUNNING)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("archived", RemoteStatus.SUCCESS),
        ("", RemoteStatus.SUCCESS),
        ("in-progress", RemoteStatus.RUNNING),
        ("failure", RemoteStatus.FAILURE),
    ],
)
def test_a_word_that_is_not_known_is_an_end_when_it_comes_with_assets(word, status):
    job = wire.parse_job(
        {"jobId": "j", "status": word, "metadata": {"assetIds": ["asset_a"]}}
    )

    assert job.status is status
    assert job.asset_ids == ("asset_a",)


@pytest.mark.parametrize("bad", HOSTILE_IDS, ids=repr)
def test_an_id_that_could_change_a_url_is_none(bad):
    assert not wire.is_safe_id(bad)
    with pytest.raises(UnexpectedAnswer):
        wire.parse_job_answer({"job": {"jobId": bad}})
    with pytest.raises(UnexpectedAnswer):
        wire.parse_submission({"job": {"jobId": bad}})
    with pytest.raises(UnexpectedAnswer):
        wire.parse_asset_answer({"asset": {"id": bad}})
    with pytest.raises(UnexpectedAnswer):
        wire.parse_upload({"upload": {"id": bad}})
    assert wire.parse_job_page({"jobs": [{"jobId": bad}]}).jobs == ()
    assert wire.parse_assets({"assets": [{"id": bad}]}) == {}
    assert wire.parse_team_ids({"teams": [{"id": bad}]}) == []
    job = wire.parse_job({"jobId": "j", "metadata": {"assetIds": [bad, "asset_1"]}})
    assert job.asset_ids == ("asset_1",)
    assert wire.parse_upload({"upload": {"id": "u", "entityId": bad}}).asset_id is None


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("name", [*WHOLE_JOB])
def test_a_field_of_the_wrong_type_counts_as_absent(name, wrong):
    if name == "jobId":
        return
    job = wire.parse_job(WHOLE_JOB | {name: wrong})

    assert job.remote_id == "job_1"


@given(record=st.dictionaries(st.sampled_from([*WHOLE_JOB, "id", "error"]), ANY_JSON))
def test_no_job_record_is_anything_but_read_or_refused(record):
    try:
        job = wire.parse_job(record)
    except UnexpectedAnswer:
        return
    assert wire.is_safe_id(job.remote_id)


@given(body=st.binary(max_size=200))
def test_no_body_is_anything_but_read_or_refused(body):
    try:
        assert isinstance(wire.parse_json(body), dict)
    except UnexpectedAnswer as error:
        assert len(error.message) < 1000  # noqa: PT017 - one of two outcomes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"<html>",
        b"\xff",
        b'{"a":"\xff"}',
        b"NaN",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(UnexpectedAnswer):
        wire.parse_json(body)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"metadata": {"error": "in metadata"}, "error": "in job"}, "in metadata"),
        ({"error": "in job"}, "in job"),
        ({"errorMessage": "message"}, "message"),
        ({"failureReason": "failure"}, "failure"),
        ({"reason": "reason"}, "reason"),
        ({"error": {"message": "object"}, "reason": "reason"}, "reason"),
        ({}, ""),
    ],
)
def test_the_reason_of_a_failure_is_found_where_it_stands(record, text):
    assert wire.parse_job({"jobId": "j"} | record).error == text


@pytest.mark.parametrize(
    ("billing", "charged"),
    [
        ({}, None),
        ({"cuCost": 6}, "6"),
        ({"cuCost": 7.25}, "7.25"),
        ({"cuCost": 0.1, "cuCostDetails": {"a": 0.2}}, "0.3"),
        ({"cuCost": "6.5"}, "6.5"),
        ({"cuCost": 6, "cuCostDetails": {"quality-gate": 1.25, "odd": "x"}}, "7.25"),
        ({"cuCost": 6, "cuCostDetails": [1]}, "6"),
        ({"cuCost": True}, None),
        ({"cuCost": "NaN"}, None),
        ({"cuCost": "Infinity"}, None),
        ({"cuCost": "1e999999", "cuCostDetails": {"a": "9e999999"}}, None),
        ({"cuCost": 10**300}, None),
        ({"cuCostDetails": {"quality-gate": 1.25}}, None),
    ],
    ids=repr,
)
def test_a_charge_is_an_exact_sum_with_add_ons(billing, charged):
    job = wire.parse_job({"jobId": "j", "billing": billing})

    assert job.charged == (None if charged is None else Decimal(charged))


def test_a_charge_that_is_kept_is_known():
    job = wire.parse_job({"jobId": "j", "billing": {"disableRefund": True}})

    assert not job.refunds


def test_a_page_passes_over_what_is_no_job_and_keeps_the_order():
    page = wire.parse_job_page(
        {"jobs": [{"jobId": "b"}, 7, {}, None, {"id": "a"}], "nextPaginationToken": "t"}
    )

    assert [job.remote_id for job in page.jobs] == ["b", "a"]
    assert page.next_token == "t"


@pytest.mark.parametrize("answer", [{}, {"jobs": None}, {"jobs": {}}, {"jobs": "x"}])
def test_a_page_without_a_list_is_refused(answer):
    with pytest.raises(UnexpectedAnswer):
        wire.parse_job_page(answer)


@pytest.mark.parametrize("token", [None, "", 7, []])
def test_an_empty_page_may_be_the_last(token):
    page = wire.parse_job_page({"jobs": [], "nextPaginationToken": token})

    assert (page.jobs, page.next_token) == ((), "")


@pytest.mark.parametrize(
    ("record", "is_ready", "has_failed"),
    [
        ({"url": "https://x", "status": "success"}, True, False),
        ({"url": "https://x"}, True, False),
        ({"url": "https://x", "status": "pending"}, False, False),
        ({"url": "https://x", "status": "error"}, False, True),
        ({"status": "success"}, False, False),
        ({"url": 7, "status": "success"}, False, False),
    ],
)
def test_an_asset_is_ready_with_a_url_and_success(record, is_ready, has_failed):
    asset = wire.parse_asset({"id": "asset_1"} | record)

    assert (asset.is_ready, asset.has_failed) == (is_ready, has_failed)


@pytest.mark.parametrize(
    ("properties", "size"),
    [
        ({"size": 4096}, 4096),
        ({"size": 0}, None),
        ({"size": -1}, None),
        ({"size": "9"}, None),
        ({"size": 1.5}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_size_is_a_positive_whole_number_of_bytes(properties, size):
    asset = wire.parse_asset({"id": "asset_1", "properties": properties})

    assert asset.size_bytes == size


def test_an_asset_never_shows_its_url():
    asset = wire.parse_asset({"id": "asset_1", "url": "https://cdn/?Signature=s3cret"})

    assert "s3cret" not in repr(asset)
    assert "s3cret" not in f"{asset}"


def test_the_url_of_a_part_is_not_shown():
    part = {"number": 1, "url": "https://x/?Signature=s3cret"}

    upload = wire.parse_upload({"upload": {"id": "u", "parts": [part]}})

    assert upload.parts[0].url == part["url"]
    assert "s3cret" not in repr(upload)


def test_assets_are_found_by_id_and_others_passed_over():
    assets = wire.parse_assets(
        {"assets": [{"id": "b"}, {}, 7, {"id": 7}, {"id": "a", "kind": "image"}]}
    )

    assert list(assets) == ["b", "a"]
    assert assets[AssetId("a")].kind == "image"


@pytest.mark.parametrize("answer", [{}, {"assets": {}}, {"assets": None}])
def test_assets_without_a_list_are_refused(answer):
    with pytest.raises(UnexpectedAnswer):
        wire.parse_assets(answer)


def test_upload_parts_come_in_the_order_of_their_numbers():
    upload = wire.parse_upload(
        {
            "upload": {
                "id": "u",
                "status": "pending",
                "parts": [
                    {"number": 2, "url": "https://b"},
                    {"number": 1, "url": "https://a"},
                    {"number": 3},
                    {"url": "https://c"},
                    7,
                ],
            }
        }
    )

    assert upload.parts == (
        UploadPart(number=1, url="https://a"),
        UploadPart(number=2, url="https://b"),
    )
    assert (upload.status, upload.asset_id, upload.error) == ("pending", None, "")


def test_an_imported_upload_names_its_asset():
    upload = wire.parse_upload(
        {"upload": {"id": "u", "status": "imported", "entityId": "asset_1"}}
    )

    assert upload.asset_id == "asset_1"


def test_a_failed_upload_says_why():
    upload = wire.parse_upload({"upload": {"id": "u", "errorMessage": "no image"}})

    assert upload.error == "no image"


def test_what_the_submit_charges_is_beside_the_job():
    submission = wire.parse_submission(
        {"job": {"jobId": "j"}, "creativeUnitsCost": 7.25, "costDetails": {"a": 7.25}}
    )

    assert submission.charged == Decimal("7.25")
    assert wire.parse_submission({"job": {"jobId": "j"}}).charged is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-02T21:20:16.925Z", "2026-10-02T21:20:16.925+00:00"),
        ("2026-10-02T23:20:16+02:00", "2026-10-02T21:20:16+00:00"),
        ("2026-10-02T21:20:16", "2026-10-02T21:20:16+00:00"),
        ("yesterday", None),
        ("", None),
        (1_790_000_000, None),
        (None, None),
    ],
)
def test_a_time_is_iso_8601_or_none(text, moment):
    assert wire.parse_time(text) == (None if moment is None else parse_utc(moment))


# --- models ---------------------------------------------------------------------------------


def test_a_page_of_models_passes_over_what_is_no_model():
    page = wire.parse_model_page(
        {"models": [{"id": "m"}, {"id": "a/b"}, {}, 7], "nextPaginationToken": "t"}
    )

    assert (page.records, page.next_token) == (({"id": "m"},), "t")
    with pytest.raises(UnexpectedAnswer):
        wire.parse_model_page({"models": None})
