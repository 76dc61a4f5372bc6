"""Jobs that fail: each ends alone, and what a later run makes of it."""

from doubles.lost import of
from doubles.outcome import Outcome

from pipeline.errors import ExitCode, Rejected, Unavailable
from pipeline.job import FailureClass, JobStatus


def styled(name):
    """One item that uses the reference ``style``; its prompt is its name."""
    return (
        "references: {style: style.png}\n"
        f"items:\n  - {{id: {name}, prompt: {name}, params: {{images: [ref:style]}}}}\n"
    )


async def test_a_refused_item_fails_alone_and_is_not_tried_again(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", Rejected("bad size", status=400), where=of("oak"))

    result = await workshop.run()
    again = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts == {"failed": 1, "saved": 1}
    assert workshop.job("oak").failure.kind is FailureClass.REFUSED
    assert again.counts == {"skipped": 1, "done": 1}
    assert again.exit_code is ExitCode.ITEMS_FAILED
    assert workshop.api.calls["submit"] == 2


async def test_a_refused_item_is_tried_again_by_rerun(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", Rejected("bad size", status=400), where=of("oak"))
    await workshop.run()

    result = await workshop.run(only_failed=True)

    assert result.counts == {"saved": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_failed_job_is_made_again_by_the_next_run(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.script("oak", Outcome(ends="failure", error="no luck"), Outcome())

    first = await workshop.run()
    second = await workshop.run()

    assert first.counts == {"failed": 1, "saved": 1}
    assert second.counts == {"saved": 1, "done": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 2, "elm": 1}


async def test_what_was_moderated_twice_is_left_alone(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(ends="failure", error="flagged by moderation"))

    counts = [dict((await workshop.run()).counts) for _ in range(3)]

    assert counts == [{"failed": 1}, {"failed": 1}, {"skipped": 1}]
    assert workshop.job("oak").failure.kind is FailureClass.MODERATED
    assert len(workshop.api.jobs) == 2


async def test_a_cancelled_job_fails_with_a_reason(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(ends="canceled"))

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert "canceled" in workshop.job("oak").failure.reason


async def test_a_success_without_assets_is_a_failure(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(outputs=0), Outcome())

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.job("oak").failure.kind is FailureClass.NO_OUTPUT


async def test_a_job_past_its_deadline_is_looked_at_again_and_never_resubmitted(
    workshop,
):
    workshop.write_items("oak", "elm")
    workshop.set(job_timeout_s=60.0)
    workshop.api.script("oak", Outcome(duration_s=300.0))

    first = await workshop.run()
    workshop.clock.jump(300)
    second = await workshop.run()

    assert first.counts == {"failed": 1, "saved": 1}
    assert second.counts == {"saved": 1, "done": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_job_that_never_ends_fails_alone_again_and_again(workshop):
    workshop.write_items("oak", "elm")
    workshop.set(job_timeout_s=60.0)
    workshop.api.script("oak", Outcome(ends=""))

    counts = [dict((await workshop.run()).counts) for _ in range(2)]

    assert counts == [{"failed": 1, "saved": 1}, {"failed": 1, "done": 1}]
    assert workshop.job("oak").failure.kind is FailureClass.TIMED_OUT
    assert len(workshop.api.jobs) == 2


async def test_an_asset_that_cannot_be_downloaded_is_fetched_by_the_next_run(workshop):
    workshop.write_items("oak")
    workshop.transfer.answer_next(*[Unavailable("reset")] * 100)

    first = await workshop.run()
    workshop.transfer._next.clear()
    second = await workshop.run()

    assert first.counts == {"failed": 1}
    assert workshop.attempts("oak")[0].status is JobStatus.SAVED
    assert second.counts == {"saved": 1}
    assert len(workshop.api.submits) == 1


async def test_a_lost_reference_is_uploaded_once_more(workshop, style):
    workshop.write(styled("oak"), files={"style.png": style})
    await workshop.run()
    workshop.write(styled("elm"))
    for asset_id in [name for name in workshop.api.files if "up" in name]:
        del workshop.api.files[asset_id]

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.calls["upload_image"] == 2
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_404_that_a_fresh_upload_does_not_mend_is_a_failure(workshop, style):
    workshop.write(styled("oak"), files={"style.png": style})
    missing = Rejected("no asset_up_1 and no asset_up_2", status=404)
    workshop.api.fail_next("submit", missing, times=999)

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.api.calls["upload_image"] == 2
    assert workshop.api.calls["submit"] <= 70  # one in 2 s for fresh_job_s
    assert workshop.job("oak").failure.kind is FailureClass.REFUSED


async def test_a_404_that_names_no_reference_is_about_the_body_for_good(
    workshop, style
):
    workshop.write(styled("oak"), files={"style.png": style})
    missing = Rejected("Model model_y not found", status=404)
    workshop.api.fail_next("submit", missing, times=9)

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.api.calls["upload_image"] == 1
    assert workshop.api.calls["submit"] == 1


async def test_a_reference_that_changed_since_the_plan_fails_its_item_unpaid(
    workshop, style
):
    workshop.write(
        styled("oak") + "  - {id: elm, prompt: elm}\n", files={"style.png": style}
    )

    def overwrite(point):
        if point == "find_limits":
            (workshop.folder / "style.png").write_bytes(b"something else")

    workshop.on_point = overwrite
    result = await workshop.run()

    assert result.counts == {"failed": 1, "saved": 1}
    assert workshop.api.paid_by_prompt() == {"elm": 1}
    assert workshop.job("oak").failure.kind is FailureClass.LOCAL
