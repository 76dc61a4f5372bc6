"""Service: a job's life, ceilings, credits and visibility on a manual clock."""

import pytest

from pipeline.emulator.identity import TEAM_ID
from pipeline.emulator.refusal import Refused

MODEL = "model_wan-2-7-image"


def job_of(service, job_id):
    return service.read_job(job_id)["job"]


def refusal_of(action):
    with pytest.raises(Refused) as refused:
        action()
    return refused.value


def test_job_walks_through_its_statuses(make_service, clock, submit):
    service = make_service()
    job_id = submit(service)
    seen = []

    for _ in range(11):
        seen.append(job_of(service, job_id)["status"])
        clock.advance(1)

    assert list(dict.fromkeys(seen)) == [
        "queued",
        "warming-up",
        "in-progress",
        "finalizing",
        "success",
    ]


def test_same_seed_gives_the_same_ids_and_outcomes(make_service, clock, submit):
    first = make_service(failure_rate=0.5, job_seconds=(1, 9))
    second = make_service(failure_rate=0.5, job_seconds=(1, 9))
    ids = [submit(first, f"tree {n}") for n in range(20)]

    assert [submit(second, f"tree {n}") for n in range(20)] == ids
    clock.advance(9)
    outcomes = [job_of(first, job_id) for job_id in ids]
    assert outcomes == [job_of(second, job_id) for job_id in ids]
    assert {job["status"] for job in outcomes} == {"success", "failure"}


def test_without_a_seed_two_services_make_different_ids(make_service, submit):
    assert submit(make_service(seed=None)) != submit(make_service(seed=None))


OUTCOMES = {
    "[fail]": ("failure", 0),
    "[moderate]": ("failure", 0),
    "[quota]": ("failure", 0),
    "[cancel]": ("canceled", 0),
    "[no-output]": ("success", 0),
    "[fewer]": ("success", 2),
    "[more]": ("success", 4),
    "plain": ("success", 3),
}


@pytest.mark.parametrize("prompt", OUTCOMES)
def test_marker_decides_the_outcome(make_service, clock, submit, prompt):
    service = make_service()
    job_id = submit(service, prompt, numOutputs=3)
    clock.advance(10)

    job = job_of(service, job_id)

    assert (job["status"], len(job["metadata"]["assetIds"])) == OUTCOMES[prompt]


def test_never_ending_job_never_ends(make_service, clock, submit):
    service = make_service()
    job_id = submit(service, "[never]")
    clock.advance(1_000_000)

    assert job_of(service, job_id)["status"] == "in-progress"
    assert service.store.in_flight == 1


def test_slow_marker_sets_the_life_of_a_job(make_service, clock, submit):
    service = make_service()
    job_id = submit(service, "an oak [slow=100]")
    clock.advance(99)
    assert job_of(service, job_id)["status"] == "finalizing"
    clock.advance(1)
    assert job_of(service, job_id)["status"] == "success"


@pytest.mark.parametrize("marker", ["[fail-once]", "[moderate-once]"])
def test_once_markers_fail_only_the_first_time(make_service, clock, submit, marker):
    service = make_service()
    first, second = submit(service, marker), submit(service, marker)
    other = submit(service, marker, seed=4)
    clock.advance(10)

    statuses = [job_of(service, job)["status"] for job in (first, second, other)]

    assert statuses == ["failure", "success", "failure"]


def test_failure_is_refunded_but_still_shows_its_cost(make_service, clock, submit):
    service = make_service(quality_gate_cu=1.25)
    job_id = submit(service, "[fail]")
    clock.advance(10)

    billing = job_of(service, job_id)["billing"]

    assert billing["cuCost"] == 6
    assert billing["cuCostDetails"] == {"quality-gate": 0}
    assert service.read_counters()["charged_cu"] == 7.25
    assert service.read_counters()["refunded_cu"] == 7.25


def test_disabled_refund_keeps_the_charge(make_service, clock, submit):
    service = make_service(disable_refund=True)
    job_id = submit(service, "[fail]")
    clock.advance(10)

    assert job_of(service, job_id)["billing"]["disableRefund"] is True
    assert service.read_counters()["refunded_cu"] == 0
    assert service.read_model(MODEL)["model"]["disableRefund"] is True


def test_refund_makes_room_in_the_balance(make_service, clock, submit):
    service = make_service(credits_cu=6)
    submit(service, "[fail]")
    assert refusal_of(lambda: submit(service)).status == 402
    clock.advance(10)
    assert submit(service)


@pytest.mark.parametrize("status", [402, 403, 429])
def test_cap_of_a_key_answers_as_told(make_service, submit, status):
    service = make_service(key_cap_cu=6, key_cap_status=status)
    submit(service)

    refused = refusal_of(lambda: submit(service))

    assert refused.status == status
    assert "limit" in refused.body["reason"]
    service.submit(MODEL, {"prompt": "x"}, "apiu_other")


def test_ceiling_counts_jobs_until_they_end(make_service, clock, submit):
    service = make_service(ceiling=3, ceiling_taken=1, announced_ceiling=9)
    submit(service)
    submit(service)

    refused = refusal_of(lambda: submit(service))

    assert refused.status == 429
    assert refused.body["name"] == "PlanLimitReachedError"
    assert refused.body["details"] == {
        "actionName": "parallel-custom-jobs",
        "actionLimit": 9,
        "actionValue": 3,
        "limitScope": "team",
    }
    clock.advance(9.5)
    assert refusal_of(lambda: submit(service)).status == 429
    clock.advance(0.5)
    assert submit(service)


def test_finalizing_jobs_may_give_their_slot_back_early(make_service, clock, submit):
    service = make_service(ceiling=1, finalizing_counts=False)
    submit(service)
    clock.advance(9.5)
    assert submit(service)


def test_unannounced_ceiling_has_no_details(make_service, submit):
    service = make_service(ceiling=0, announce_ceiling=False)
    assert "details" not in refusal_of(lambda: submit(service)).body


def test_quote_needs_a_slot_only_if_told(make_service):
    body = {"prompt": "x"}
    assert make_service(ceiling=0).submit(MODEL, body, "a", is_quote=True).status == 269
    strict = make_service(ceiling=0, quotes_need_slot=True)
    refused = refusal_of(lambda: strict.submit(MODEL, body, "a", is_quote=True))
    assert refused.status == 429


def test_cooldown_tells_how_long_it_lasts(make_service, clock, submit):
    service = make_service(cooldown_s=7, retry_after_s=2)
    submit(service)
    clock.advance(2.5)

    refused = refusal_of(lambda: submit(service))

    assert refused.status == 429
    assert refused.body["remainingSeconds"] == 5
    assert refused.headers == {"Retry-After": "2"}
    clock.advance(4.5)
    assert submit(service)


def test_a_cooldown_may_come_after_several_submits(make_service, clock, submit):
    service = make_service(cooldown_s=90, cooldown_after=3)
    for _ in range(3):
        submit(service)

    clock.advance(80)
    assert refusal_of(lambda: submit(service)).body["remainingSeconds"] == 10
    clock.advance(10)
    for _ in range(3):
        submit(service)
    assert refusal_of(lambda: submit(service)).body["remainingSeconds"] == 90


@pytest.mark.parametrize("status", [200, 201, 202])
def test_submit_answers_with_the_status_of_the_profile(make_service, status):
    service = make_service(submit_status=status, sparse_submit=True)
    answer = service.submit(MODEL, {"prompt": "x"}, "a")
    assert answer.status == status
    assert list(answer.body) == ["job"]
    assert list(answer.body["job"]) == ["jobId"]


def test_dry_run_in_the_body_makes_a_paid_job(make_service, submit):
    service = make_service()
    submit(service, dryRun=True)
    assert service.read_counters()["jobs_made"] == 1
    assert service.read_counters()["charged_cu"] == 6
    assert service.read_counters()["dry_runs_in_body"] == 1


def test_price_follows_outputs_size_references_and_model(make_service):
    service = make_service(
        size_factors={"4K": 2}, reference_surcharge_cu=1, quality_gate_cu=0.5
    )
    asset = service.uploads.add_file("a", _png(), "a")

    def quote(model, **inputs):
        body = {"prompt": "x", **inputs}
        return service.submit(model, body, "a", is_quote=True).body

    assert quote(MODEL, numOutputs=4)["creativeUnitsCost"] == 24.5
    assert quote(f"{MODEL}-pro", size="4K")["creativeUnitsCost"] == 24.5
    assert quote(MODEL, images=[asset.asset_id])["creativeUnitsCost"] == 7.5
    details = quote(MODEL)["costDetails"]
    assert details == {"custom-generation": 6, "quality-gate": 0.5}


def test_charge_may_differ_from_the_quote(make_service, submit):
    service = make_service(charge_factor=1.5)
    submit(service)
    assert service.read_counters()["charged_cu"] == 9


def test_new_job_is_hidden_for_a_while(make_service, clock, submit):
    service = make_service(hidden_job_s=3)
    job_id = submit(service)
    assert refusal_of(lambda: job_of(service, job_id)).status == 404
    clock.advance(3)
    assert job_of(service, job_id)["status"] == "in-progress"


def test_old_job_is_forgotten(make_service, clock, submit):
    service = make_service(job_retention_s=100)
    job_id = submit(service)
    clock.advance(100)
    assert refusal_of(lambda: job_of(service, job_id)).status == 404


def test_updated_at_moves_with_the_heartbeat(make_service, clock, submit):
    service = make_service(heartbeat_s=1)
    job_id = submit(service)
    clock.advance(4)
    earlier = job_of(service, job_id)
    clock.advance(3)
    later = job_of(service, job_id)

    assert earlier["status"] == later["status"] == "in-progress"
    assert later["updatedAt"] > earlier["updatedAt"]


def test_progress_grows_while_a_job_runs(make_service, clock, submit):
    service = make_service()
    job_id = submit(service)
    clock.advance(3)
    earlier = job_of(service, job_id)["progress"]
    clock.advance(4)
    assert 0 < earlier < job_of(service, job_id)["progress"] <= 0.9


def test_echo_has_the_knobs_of_its_profile(make_service, clock, submit):
    service = make_service(
        echo_delay_s=5,
        echo_omits=("numOutputs",),
        echo_changes={"size": "2048*2048"},
        echo_defaults=True,
        echo_seed="text",
        echo_dropped=True,
    )
    job_id = submit(service, seed=9, numOutputs=2, images="asset_x")
    assert job_of(service, job_id)["metadata"]["input"] == {}
    clock.advance(5)

    assert job_of(service, job_id)["metadata"]["input"] == {
        "prompt": "an oak",
        "seed": "9",
        "size": "2048*2048",
        "imageSetMode": False,
        "thinkingMode": True,
        "images": "asset_x",
        "modelId": MODEL,
    }


def test_reason_of_a_failure_may_stand_elsewhere(make_service, clock, submit):
    service = make_service(failure_field="errorMessage", failed_status="failed")
    job_id = submit(service, "[moderate]")
    clock.advance(10)
    job = job_of(service, job_id)
    assert job["status"] == "failed"
    assert "moderation" in job["errorMessage"]
    assert "error" not in job["metadata"]


def test_moderation_may_refuse_the_submit(make_service, submit):
    service = make_service(moderation_status=422)
    refused = refusal_of(lambda: submit(service, "A dragon [Moderate]"))
    assert refused.status == 422
    assert "moderation" in refused.body["reason"]
    assert service.read_counters()["jobs_made"] == 0


def test_moderation_rate_fails_every_job(make_service, clock, submit):
    service = make_service(moderation_rate=1.0)
    job_id = submit(service)
    clock.advance(10)
    assert "flagged" in job_of(service, job_id)["metadata"]["error"]


def test_equal_submits_are_two_jobs_unless_told(make_service, submit):
    plain, deduplicating = make_service(), make_service(deduplicates=True)
    assert submit(plain) != submit(plain)
    assert submit(deduplicating) == submit(deduplicating)
    assert deduplicating.read_counters()["charged_cu"] == 6


def test_image_set_has_as_many_outputs_as_the_profile_says(make_service, clock, submit):
    service = make_service(image_set_outputs=5, companion_assets=2)
    job_id = submit(service, imageSetMode=True)
    clock.advance(10)
    assert len(job_of(service, job_id)["metadata"]["assetIds"]) == 7


def test_large_size_with_images_may_fail_late(make_service, clock, submit):
    service = make_service(large_with_images_refused=False)
    asset = service.uploads.add_file("a", _png(), "a")
    body = {"prompt": "x", "size": "4K", "images": [asset.asset_id]}
    job_id = service.submit(f"{MODEL}-pro", body, "a").body["job"]["jobId"]
    clock.advance(10)
    assert job_of(service, job_id)["status"] == "failure"


def test_limits_tell_the_ceiling_or_refuse(make_service, submit):
    service = make_service(ceiling=4, credits_cu=100)
    submit(service)
    limits = service.account.limits(TEAM_ID, 0)
    assert limits["limits"]["parallelCustomJobs"] == 4
    assert limits["limits"]["creativeUnits"] == 100
    assert limits["values"]["creativeUnits"] == 6
    closed = make_service(limits_status=403)
    assert refusal_of(lambda: closed.account.limits(TEAM_ID, 0)).status == 403


def test_key_of_the_job_id_and_discount_are_knobs(make_service):
    service = make_service(job_id_key="id", discount_cu=2, default_price_cu=3)
    answer = service.submit(MODEL, {"prompt": "x"}, "a").body
    assert answer["job"]["id"]
    assert answer["job"]["billing"] == {"cuCost": 4, "cuDiscount": 2}
    assert (answer["creativeUnitsCost"], answer["creativeUnitsDiscount"]) == (4, 2)


def test_status_path_of_the_profile_is_walked(make_service, clock, submit):
    path = (("pending", 0.0), ("warming-up", 0.5))
    service = make_service(status_path=path)
    job_id = submit(service)
    assert job_of(service, job_id)["status"] == "pending"
    clock.advance(5)
    assert job_of(service, job_id)["status"] == "warming-up"


def test_statistics_can_be_left_out(make_service):
    record = make_service(performance_stats=False).read_model(MODEL)["model"]
    assert "performanceStats" not in record


def test_balance_can_be_refused_with_another_status(make_service, submit):
    service = make_service(credits_cu=1, credits_status=403)
    assert refusal_of(lambda: submit(service)).status == 403


def test_usages_show_refunds(make_service, clock, submit):
    service = make_service()
    submit(service, "[fail]")
    clock.advance(10)
    service.store.advance()
    usages = {use["usageName"]: use for use in service.account.usages(0)["usages"]}
    assert usages["refunds"]["points"][0]["cost"] == 6


def test_models_can_be_changed_and_added(make_service):
    service = make_service(
        extra_models={"model_new": {"id": "model_new", "inputs": []}},
        input_changes={"prompt": {"maxLength": 3}},
        model_changes={MODEL: {"tags": ["deprecated:model_new"]}},
        cost_impact={"numOutputs": True},
    )
    record = service.read_model(MODEL)["model"]
    inputs = {item["name"]: item for item in record["inputs"]}
    assert record["tags"] == ["deprecated:model_new"]
    assert inputs["numOutputs"]["costImpact"] is True
    statistics = record["performanceStats"]["variants"][0]
    assert statistics["totalLatencyP75Sec"] == 10
    assert service.submit("model_new", {}, "a").status == 200
    with pytest.raises(Refused, match="at most 3 characters"):
        service.submit(MODEL, {"prompt": "long"}, "a")


def test_clock_that_jumps_back_stops_time(make_service, clock, submit):
    service = make_service()
    submit(service)
    before = service.timeline.now_ms()
    clock.advance(-3600)
    assert service.timeline.now_ms() == before


def _png():
    from pipeline.emulator.pictures.png_files import encode_flat_png

    return encode_flat_png(8, 8, (1, 2, 3), software="test")
