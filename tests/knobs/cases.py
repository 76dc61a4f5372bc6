"""The table: every open question of the service contract, with two answers.

One :class:`Case` is one field of ``EmulatorProfile`` with another value than its
default, a manifest in which the difference matters, and how a run of our client has
to end with either answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from knobs.world import (
    BIG_REFERENCE,
    MODEL,
    PLAIN,
    PRICE_CU,
    QUICK,
    REFERENCE,
    Played,
    World,
    items,
)

from pipeline import ExitCode, Settings

PRO = f"{MODEL}-pro"
LOST = ("submit-drop-after",)
FAILING = items("an oak", "an elm [fail]")
MODERATED = items("an oak", "an elm [moderate]")
THREE_OUTPUTS = items("an oak", "an elm", params="{numOutputs: 3}")
IMAGE_SET = items("an oak", params="{imageSetMode: true, numOutputs: 2}")
TEN = PLAIN.replace("[oak, elm, ash, yew]", str([f"tree{n}" for n in range(10)]))
TWO_MODELS = PLAIN + f"  - {{id: pro, prompt: a fir, model: {PRO}}}\n"
TWINS = items("an oak", "an oak", params="{seed: 5}")
OTHER_MODEL = "model_somebody-elses"
OTHER = items("an oak", "an elm", model=OTHER_MODEL).replace(
    ", thinkingMode: false", ""
)
OTHER_RECORD: Mapping[str, Any] = {
    "id": OTHER_MODEL,
    "name": "Other",
    "type": "custom",
    "inputs": [
        {"name": "prompt", "type": "string", "required": {"always": True}},
        {"name": "size", "type": "string", "default": "1K"},
        {"name": "images", "type": "file_array", "kind": "image"},
    ],
}
SOUR = OTHER.replace("{}", "{flavour: sour}")
OTHER_MODELS = {OTHER_MODEL: OTHER_RECORD}
HASTY = replace(QUICK, free_deadline_s=20.0, fresh_job_s=5.0)
ALONE = replace(QUICK, downloads=1)

Check = Callable[[World, Played], None]


def nothing(_world: World, _played: Played) -> None:
    """No further demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How a run has to end.

    Attributes:
        code: Its exit code.
        saved: Items saved; None for all that were paid for.
        jobs: Jobs the service made, each of which is paid for.
        posts: Submits sent; None for as many as jobs, -1 for any number.
        check: Demands of its own.
        again: Exit code of a second run, after one that ended well.
    """

    code: ExitCode = ExitCode.OK
    saved: int | None = None
    jobs: int = 4
    posts: int | None = None
    check: Check = nothing
    again: ExitCode = ExitCode.OK


FINE = Ends()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question.

    Attributes:
        knob: A field of ``EmulatorProfile``.
        value: Not its default.
        text: The manifest.
        beside: Other knobs, the same for both answers.
        faults: What goes wrong, the same for both answers.
        project_id: That our client believes in.
        default: How a run ends with the default.
        changed: How it ends with ``value``; None for just as well.
    """

    knob: str
    value: Any
    text: str = PLAIN
    beside: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    settings: Settings = QUICK
    project_id: str = ""
    default: Ends = FINE
    changed: Ends | None = None

    def __str__(self) -> str:
        return f"{self.knob}={self.value}"[:60]


def charges(each_cu: float) -> Check:
    """Every sidecar says that its job was charged this."""

    def check(world: World, _played: Played) -> None:
        costs = [sidecar["cost"]["charged"] for sidecar in world.sidecars().values()]
        assert costs == [each_cu] * len(costs)

    return check


def says(text: str) -> Check:
    """The run's own words hold this text."""

    def check(_world: World, played: Played) -> None:
        words = [f"{event.reason} {event.hint}" for event in played.failures]
        stopped_by = played.error or (played.result and played.result.stopped_by)
        if stopped_by:
            words.append(f"{stopped_by.message} {stopped_by.hint}")
        assert text in " | ".join(words + played.warnings)

    return check


def files(count: int, suffix: str = ".png") -> Check:
    """So many files, of this kind."""

    def check(world: World, _played: Played) -> None:
        names = list(world.sidecars())
        assert len(names) == count
        assert all(name.endswith(suffix) for name in names), names

    return check


def shaped(width_px: int, height_px: int) -> Check:
    """Every picture has this size."""

    def check(world: World, _played: Played) -> None:
        sizes = {
            (sidecar["width_px"], sidecar["height_px"])
            for sidecar in world.sidecars().values()
        }
        assert sizes == {(width_px, height_px)}

    return check


def uploads(count: int) -> Check:
    """So many uploads."""

    def check(_world: World, played: Played) -> None:
        assert played.counters["uploads"] == count

    return check


def asks(**requests: int) -> Check:
    """So many requests of these kinds, ``s`` at the end of their names."""

    def check(_world: World, played: Played) -> None:
        made = played.counters["requests"]
        counted = {name: made.get(name.removesuffix("s"), 0) for name in requests}
        assert counted == requests

    return check


def refunds(amount_cu: float) -> Check:
    """The service gave this much back."""

    def check(_world: World, played: Played) -> None:
        assert played.counters["refunded_cu"] == amount_cu

    return check


def most_in_flight(count: int) -> Check:
    """The ceiling was kept full."""

    def check(_world: World, played: Played) -> None:
        assert played.counters["most_in_flight"] == count

    return check


THREE = Ends(jobs=3)
TWO = Ends(jobs=2)
ONE = Ends(jobs=1)
REFUSED_SOME = Ends(posts=-1)
OUT_OF_CREDIT = Ends(code=ExitCode.BUDGET, jobs=3, posts=-1, check=says("Compute"))
OUT_OF_CREDITS = replace(OUT_OF_CREDIT, check=says("Not enough credits"))
KEY_CAP = replace(OUT_OF_CREDIT, check=says("limit of this API key"))
NO_ACCESS = Ends(code=ExitCode.ACCESS, jobs=0, posts=-1)
ONE_FAILS = Ends(code=ExitCode.ITEMS_FAILED, saved=1, jobs=2, check=refunds(PRICE_CU))
ALL_FAIL = Ends(
    code=ExitCode.ITEMS_FAILED, saved=0, jobs=4, check=refunds(4 * PRICE_CU)
)
NOTHING_MADE = Ends(code=ExitCode.ITEMS_FAILED, jobs=0, posts=-1)
# Without the model's table, the first run sends the unknown input. The second has it.
SOUR_IS_SENT = Ends(jobs=2, again=ExitCode.USAGE)
REFUSED_BY_US = Ends(code=ExitCode.USAGE, jobs=0, posts=0)
UNREADABLE_LIMITS = {"limits_status": 403}
LONG = {"job_seconds": (10.0, 10.0)}  # so long that jobs overlap on any machine
ADOPTED = Ends(check=nothing)  # as many submits as jobs: the lost one was found

CASES: tuple[Case, ...] = (
    # --- who we are
    Case(knob="accepted_keys", value={"another": "pair"}, changed=NO_ACCESS),
    Case(knob="accepted_keys", value={"key": "secret"}),
    Case(knob="same_author", value=True, faults=LOST),
    Case(knob="keys_share_jobs", value=False),
    Case(
        knob="foreign_project_status",
        value=404,
        project_id="proj_foreign",
        default=NO_ACCESS,
        changed=NO_ACCESS,
    ),
    Case(knob="limits_status", value=403, beside={"ceiling": 2}, changed=REFUSED_SOME),
    Case(knob="limits_status", value=404),
    Case(knob="teams_status", value=403, beside={"ceiling": 2}, changed=REFUSED_SOME),
    # --- how much at a time
    Case(knob="ceiling", value=2, beside=LONG, changed=Ends(check=most_in_flight(2))),
    Case(
        knob="ceiling",
        value=1,
        beside={**LONG, **UNREADABLE_LIMITS},
        text=TEN,
        default=Ends(jobs=10),
        changed=Ends(jobs=10, posts=-1, check=most_in_flight(1)),
    ),
    Case(
        knob="ceiling_taken",
        value=2,
        beside={**LONG, "ceiling": 3},
        default=Ends(check=most_in_flight(3)),
        changed=Ends(posts=-1, check=most_in_flight(1)),
    ),
    Case(
        knob="announced_ceiling",
        value=50,
        beside={**LONG, "ceiling": 3},
        text=TEN,
        default=Ends(jobs=10, check=most_in_flight(3)),
        changed=Ends(jobs=10, posts=-1, check=most_in_flight(3)),
    ),
    Case(
        knob="announced_ceiling",
        value=1,
        beside={**LONG, "ceiling": 3},
        default=Ends(check=most_in_flight(3)),
        changed=Ends(check=most_in_flight(1)),
    ),
    Case(
        knob="announce_ceiling",
        value=False,
        beside={**LONG, "ceiling": 2, **UNREADABLE_LIMITS},
        text=TEN,
        default=Ends(jobs=10, posts=-1, check=most_in_flight(2)),
        changed=Ends(jobs=10, posts=-1, check=most_in_flight(2)),
    ),
    Case(
        knob="finalizing_counts",
        value=False,
        beside={
            **LONG,
            "ceiling": 2,
            "status_path": (("queued", 0.0), ("finalizing", 0.5)),
        },
    ),
    Case(
        knob="retry_after_s",
        value=2,
        beside={**LONG, "ceiling": 2, **UNREADABLE_LIMITS},
        default=Ends(posts=-1, check=most_in_flight(2)),
    ),
    Case(
        knob="cooldown_s",
        value=3.0,
        changed=REFUSED_SOME,
    ),
    Case(
        knob="cooldown_after",
        value=2,
        beside={"cooldown_s": 20.0},
        default=REFUSED_SOME,
    ),
    Case(knob="requests_per_minute", value=8, changed=REFUSED_SOME),
    Case(
        knob="requests_per_minute",
        value=12,
        settings=replace(QUICK, rpm=10),
    ),
    # --- money
    Case(knob="credits_cu", value=3 * PRICE_CU, changed=OUT_OF_CREDITS),
    *(
        Case(
            knob="credits_status",
            value=status,
            beside={"credits_cu": 3 * PRICE_CU},
            default=OUT_OF_CREDITS,
            changed=OUT_OF_CREDITS,
        )
        for status in (403, 429)
    ),
    Case(knob="key_cap_cu", value=3 * PRICE_CU + 1, changed=KEY_CAP),
    *(
        Case(
            knob="key_cap_status",
            value=status,
            beside={"key_cap_cu": 3 * PRICE_CU + 1},
            default=KEY_CAP,
            changed=KEY_CAP,
        )
        for status in (403, 429)
    ),
    Case(
        knob="unit_prices_cu",
        value={MODEL: 2.5},
        default=Ends(check=charges(PRICE_CU)),
        changed=Ends(check=charges(2.5)),
    ),
    Case(
        knob="default_price_cu",
        value=7.25,
        beside={"unit_prices_cu": {}},
        default=Ends(check=charges(4)),
        changed=Ends(check=charges(7.25)),
    ),
    Case(
        knob="reference_surcharge_cu",
        value=1,
        text=REFERENCE,
        default=Ends(jobs=3, check=charges(PRICE_CU)),
        changed=Ends(jobs=3, check=charges(PRICE_CU + 1)),
    ),
    Case(
        knob="size_factors",
        value={"1K": 0.5},
        changed=Ends(check=charges(PRICE_CU / 2)),
    ),
    Case(
        knob="quality_gate_cu",
        value=1.25,
        changed=Ends(check=charges(PRICE_CU + 1.25)),
    ),
    Case(
        knob="late_addon_cu",
        value=5,
        settings=replace(QUICK, max_cost=Decimal(100)),
        changed=Ends(
            code=ExitCode.BUDGET,
            jobs=1,
            check=says("charged 11 units, quoted 6"),
        ),
    ),
    Case(knob="discount_cu", value=1, changed=Ends(check=charges(PRICE_CU - 1))),
    Case(
        knob="charge_factor",
        value=2.0,
        beside={"ceiling": 1},
        changed=Ends(
            code=ExitCode.BUDGET, jobs=1, check=says("charged 12 units, quoted 6")
        ),
    ),
    Case(knob="charge_factor", value=0.5, changed=Ends(check=charges(PRICE_CU / 2))),
    Case(
        # One price was refused at first: it is asked for again while others run.
        knob="quotes_need_slot",
        value=True,
        beside={**LONG, "ceiling": 1, "cost_impact": {}},
        faults=("quote-404",),
    ),
    Case(knob="performance_stats", value=False),
    Case(
        knob="cost_impact",
        value={},
        default=Ends(check=asks(quotes=1)),
        changed=Ends(check=asks(quotes=4)),
    ),
    Case(
        knob="cost_impact",
        value={"prompt": True},
        default=Ends(check=asks(quotes=1)),
        changed=Ends(check=asks(quotes=4)),
    ),
    Case(
        knob="disable_refund",
        value=True,
        text=FAILING,
        default=ONE_FAILS,
        changed=replace(ONE_FAILS, check=refunds(0)),
    ),
    # --- what is refused
    Case(knob="strict_arrays", value=True, text=REFERENCE, default=THREE),
    *(
        Case(
            knob="unknown_field_status",
            value=status,
            text=SOUR,
            beside={"extra_models": OTHER_MODELS},
            faults=("model-404",),  # else our client refuses it by itself
            default=SOUR_IS_SENT,
            changed=NOTHING_MADE,
        )
        for status in (400, 422)
    ),
    Case(
        knob="unknown_asset_status",
        value=400,
        text=items("an oak", params="{images: asset_NobodyHasThisOne}"),
        default=replace(NOTHING_MADE, check=says("asset_NobodyHasThisOne")),
    ),
    Case(
        knob="unknown_asset_status",
        value=0,
        text=items("an oak", params="{images: asset_NobodyHasThisOne}"),
        default=replace(NOTHING_MADE, check=says("asset_NobodyHasThisOne")),
        changed=ONE,
    ),
    Case(
        knob="large_with_images_refused",
        value=False,
        text=OTHER.replace("{}", "{images: [ref:style], size: 4K}"),
        beside={"extra_models": OTHER_MODELS},
        default=NOTHING_MADE,
        changed=Ends(code=ExitCode.ITEMS_FAILED, saved=0, jobs=2),
    ),
    Case(
        knob="extra_models",
        value=OTHER_MODELS,
        text=OTHER,
        default=NOTHING_MADE,
        changed=TWO,
    ),
    Case(
        knob="model_changes",
        value={MODEL: {"disableRefund": True}},
        text=FAILING,
        default=ONE_FAILS,
        changed=replace(ONE_FAILS, check=refunds(0)),
    ),
    Case(
        knob="input_changes",
        value={"prompt": {"maxLength": 3}},
        changed=replace(REFUSED_BY_US, check=says("at most 3 characters")),
    ),
    Case(
        knob="restricted_models",
        value=(PRO,),
        text=TWO_MODELS,
        default=Ends(jobs=5),
        changed=Ends(code=ExitCode.ACCESS, jobs=4, check=says("cu-max")),
    ),
    Case(
        knob="required_plan",
        value="cu-galactic",
        beside={"restricted_models": (MODEL,)},
        default=NO_ACCESS,
        changed=replace(NO_ACCESS, check=says("cu-galactic")),
    ),
    Case(
        knob="restriction_in_details",
        value=False,
        beside={"restricted_models": (MODEL,)},
        default=replace(NO_ACCESS, check=says("cu-max")),
        changed=replace(NO_ACCESS, check=says("cu-max")),
    ),
    Case(knob="moderation_rate", value=1.0, changed=ALL_FAIL),
    *(
        Case(
            knob="moderation_status",
            value=status,
            text=MODERATED,
            default=ONE_FAILS,
            changed=Ends(
                code=ExitCode.ITEMS_FAILED, jobs=1, posts=2, check=says("moderation")
            ),
        )
        for status in (400, 403, 422)
    ),
    # --- how a job goes
    Case(knob="job_seconds", value=(0.0, 0.0)),
    Case(knob="job_seconds", value=(60.0, 90.0)),
    Case(knob="status_path", value=(("pending", 0.0), ("processing", 0.5))),
    Case(knob="status_path", value=(("a-new-word", 0.0),)),
    Case(knob="heartbeat_s", value=0.05, beside={"job_seconds": (20.0, 20.0)}),
    Case(knob="failure_rate", value=1.0, changed=ALL_FAIL),
    *(
        Case(
            knob="failure_field",
            value=name,
            text=FAILING,
            default=replace(ONE_FAILS, check=says("could not generate")),
            changed=replace(ONE_FAILS, check=says("could not generate")),
        )
        for name in ("error", "errorMessage", "failureReason")
    ),
    Case(
        knob="partial_refunded",
        value=True,
        text=items("an oak", "an elm [partial]", params="{numOutputs: 2}"),
        default=Ends(jobs=2, check=refunds(0)),
        changed=Ends(jobs=2, check=refunds(2 * PRICE_CU)),
    ),
    Case(
        knob="failed_status",
        value="failed",
        text=FAILING,
        default=ONE_FAILS,
        changed=ONE_FAILS,
    ),
    # --- how jobs are shown
    Case(knob="submit_status", value=201),
    Case(knob="submit_status", value=202),
    Case(
        knob="sparse_submit",
        value=True,
        default=Ends(check=charges(PRICE_CU)),
        changed=Ends(check=charges(PRICE_CU)),
    ),
    Case(knob="sparse_submit", value=True, faults=LOST),
    Case(knob="job_id_key", value="id"),
    Case(knob="job_id_key", value="id", faults=LOST),
    Case(knob="hidden_job_s", value=8.0),
    Case(knob="hidden_job_s", value=8.0, text=items("an oak"), default=ONE),
    Case(knob="list_lag_s", value=8.0),
    Case(knob="list_lag_s", value=5.0, faults=LOST),
    Case(knob="list_newest_first", value=False, text=TEN, default=Ends(jobs=10)),
    Case(knob="list_newest_first", value=False, faults=LOST),
    Case(knob="list_retention_s", value=0.5),
    Case(
        knob="job_retention_s",
        value=0.5,
        text=items("an oak"),
        settings=HASTY,
        default=ONE,
        changed=ONE,
    ),
    Case(knob="page_cap", value=1, text=TEN, default=Ends(jobs=10)),
    Case(knob="page_cap", value=1, faults=LOST),
    Case(knob="echo_delay_s", value=30.0),
    Case(knob="echo_delay_s", value=30.0, faults=LOST),
    Case(knob="echo_omits", value=("seed", "size")),
    Case(knob="echo_omits", value=("seed",), faults=LOST),
    Case(knob="echo_omits", value=("prompt", "modelId"), faults=LOST),
    Case(
        knob="echo_changes",
        value={"size": "2K"},
        changed=Ends(check=says("the service changed size to '2K'")),
    ),
    Case(knob="echo_changes", value={"prompt": "a nicer prompt"}, faults=LOST),
    Case(knob="echo_defaults", value=True),
    Case(knob="echo_defaults", value=True, faults=LOST),
    Case(
        knob="echo_dropped",
        value=True,
        text=SOUR,
        beside={"extra_models": OTHER_MODELS},
        faults=("model-404",),  # else our client refuses it by itself
        default=replace(SOUR_IS_SENT, check=says("dropped flavour")),
        changed=SOUR_IS_SENT,
    ),
    *(
        Case(knob="echo_seed", value=form)
        for form in ("text", "float", "clamped", "replaced")
    ),
    Case(knob="echo_seed", value="text", faults=LOST),
    *(
        Case(
            knob="echo_prompt",
            value=form,
            text=items(" cafe\u0301  by  night"),
            default=ONE,
        )
        for form in ("trimmed", "nfc", "rewritten")
    ),
    Case(
        knob="echo_size_sign",
        value="x",
        text=items("an oak", params='{size: "1024*1024"}'),
        default=ONE,
    ),
    Case(knob="prompt_archived_s", value=0.0),
    Case(knob="prompt_archived_s", value=3.0),
    Case(knob="submit_author_differs", value=True),
    Case(knob="asset_ids_delay_s", value=8.0),
    Case(knob="list_omits_asset_ids", value=True),
    Case(knob="workflow_child_rate", value=1.0),
    Case(knob="stranger_rate", value=1.0),
    # --- how assets are shown
    Case(knob="asset_pending_s", value=8.0),
    Case(knob="asset_hidden_s", value=8.0),
    Case(
        knob="asset_error_rate",
        value=1.0,
        changed=Ends(
            code=ExitCode.ITEMS_FAILED, saved=0, check=says("failed to store asset")
        ),
    ),
    Case(
        knob="asset_retention_s",
        value=0.001,
        settings=HASTY,
        changed=Ends(code=ExitCode.ITEMS_FAILED, saved=0, check=says("does not show")),
    ),
    Case(
        knob="companion_assets",
        value=2,
        changed=Ends(check=says("2 companion files")),
    ),
    Case(
        knob="image_set_outputs",
        value=4,
        text=IMAGE_SET,
        default=Ends(jobs=1, check=files(2)),
        changed=Ends(jobs=1, check=files(4)),
    ),
    Case(
        knob="image_set_outputs",
        value=1,
        text=IMAGE_SET,
        default=Ends(jobs=1, check=files(2)),
        changed=Ends(jobs=1, check=says("1 of 2 outputs")),
    ),
    Case(
        knob="output_index",
        value="zero",
        text=THREE_OUTPUTS,
        default=Ends(jobs=2, check=files(6)),
    ),
    Case(
        knob="bulk_cap",
        value=1,
        text=THREE_OUTPUTS,
        default=Ends(jobs=2, check=files(6)),
    ),
    Case(knob="bulk_unknown", value="404", beside={"asset_hidden_s": 8.0}),
    Case(
        knob="bulk_shuffled",
        value=True,
        text=THREE_OUTPUTS,
        default=Ends(jobs=2, check=files(6)),
    ),
    Case(
        knob="output_index",
        value="position",
        text=THREE_OUTPUTS,
        default=Ends(jobs=2, check=files(6)),
    ),
    Case(knob="transformed_urls", value=False),
    # --- the files
    Case(knob="image_format", value="jpeg", changed=Ends(check=files(4, ".jpg"))),
    Case(knob="image_format", value="webp", changed=Ends(check=files(4, ".webp"))),
    Case(
        knob="claimed_mime_type",
        value="image/webp",
        default=Ends(check=files(4)),
        changed=Ends(check=files(4)),
    ),
    Case(
        knob="sizes_follow_reference",
        value=True,
        text=REFERENCE,
        beside={"fixed_size_px": None, "pixels_divisor": 16},
        default=Ends(jobs=3, check=shaped(64, 64)),
        changed=Ends(jobs=3, check=shaped(90, 45)),
    ),
    Case(
        knob="cdn_lifetime_s",
        value=2.0,
        settings=ALONE,
        beside={"cdn_bytes_per_second": 1000.0},
    ),
    Case(knob="cdn_content_length", value=False),
    Case(knob="cdn_ranges", value=False),
    Case(knob="cdn_bytes_per_second", value=200.0),
    Case(knob="slow_bytes_per_second", value=200.0, faults=("cdn-slow",)),
    # --- uploads
    Case(
        knob="upload_seconds",
        value=20.0,
        text=BIG_REFERENCE,
        default=Ends(jobs=3, check=uploads(1)),
    ),
    Case(
        knob="upload_failure_rate",
        value=1.0,
        text=BIG_REFERENCE,
        settings=replace(QUICK, free_deadline_s=30.0),
        default=THREE,
        changed=replace(NOTHING_MADE, check=says("could not be validated")),
    ),
    Case(
        knob="upload_pending_s",
        value=8.0,
        text=REFERENCE,
        default=Ends(jobs=3, check=uploads(1)),
    ),
    Case(
        knob="upload_validates",
        value=False,
        text=REFERENCE.replace("style.png", "broken.png"),
        default=replace(NOTHING_MADE, check=says("Invalid image")),
        changed=THREE,
    ),
    Case(
        knob="upload_deduplicates",
        value=True,
        text=REFERENCE,
        default=Ends(jobs=3, check=uploads(1)),
    ),
    Case(knob="small_upload_jobs", value=False, text=REFERENCE, default=THREE),
    Case(
        knob="upload_hidden_s",
        value=8.0,
        text=REFERENCE,
        default=THREE,
        changed=Ends(jobs=3, posts=-1),
    ),
    Case(
        knob="part_min_bytes",
        value=8 * 2**20,
        text=BIG_REFERENCE,
        default=THREE,
    ),
    Case(
        knob="part_min_bytes",
        value=9 * 2**20,
        text=BIG_REFERENCE,
        settings=replace(QUICK, free_deadline_s=30.0),
        default=THREE,
        changed=replace(NOTHING_MADE, check=says("smaller than the minimum")),
    ),
    Case(knob="part_lifetime_s", value=20.0, text=BIG_REFERENCE, default=THREE),
    Case(knob="part_status", value=201, text=BIG_REFERENCE, default=THREE),
    Case(knob="part_status", value=204, text=BIG_REFERENCE, default=THREE),
    Case(
        knob="body_cap_bytes",
        value=1500,
        text=REFERENCE.replace("style.png", "noise.png"),
        default=THREE,
        changed=replace(NOTHING_MADE, check=says("body too large")),
    ),
    Case(knob="response_cap_bytes", value=6000, text=TEN, default=Ends(jobs=10)),
    # --- the wire
    Case(knob="answer_delay_s", value=2.0),
    *(Case(knob="date_skew_s", value=skew_s) for skew_s in (-10_800.0, 300.0)),
    # --- repeats
    Case(
        knob="deduplicates",
        value=True,
        text=TWINS,
        default=TWO,
        changed=Ends(jobs=2, posts=-1),
    ),
)

# Fields that no client has to do anything about, or that ours never meets.
NOT_A_GUESS: Mapping[str, str] = {
    "seed": "fixes the emulator's chances",
    "pixels_divisor": "keeps pictures small; every case runs with small ones",
    "fixed_size_px": "keeps pictures small; every case runs with small ones",
    "altered_url_status": "our client alters no URL; a test of its own meets both",
    "hang_s": "how long a fault hangs; the table of faults meets it",
}
