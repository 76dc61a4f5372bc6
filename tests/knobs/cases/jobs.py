"""The cases of models, of the checks of inputs, and of the outcomes of jobs."""

from collections.abc import Mapping
from dataclasses import replace

from knobs.cases.case import Case, Ends
from knobs.cases.checks import charges, files, refunds, says
from knobs.cases.shared import (
    FAILING,
    LOST,
    NOTHING_MADE,
    ONE,
    ONE_FAILS,
    OTHER,
    OTHER_MODELS,
    SOUR,
    SOUR_IS_SENT,
    THREE,
    TWO,
)
from knobs.world import MODEL, PRICE_CU, REFERENCE, items

from pipeline import ExitCode

MODERATED = items("an oak", "an elm [moderate]")
IMAGE_SET = items("an oak", params="{imageSetMode: true, numOutputs: 2}")
TWINS = items("an oak", "an oak", params="{seed: 5}")
ALL_FAIL = Ends(
    code=ExitCode.ITEMS_FAILED, saved=0, jobs=4, check=refunds(4 * PRICE_CU)
)
REFUSED_BY_US = Ends(code=ExitCode.USAGE, jobs=0, posts=0)

CASES: tuple[Case, ...] = (
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
    Case(knob="performance_stats", value=False),
    Case(knob="strict_arrays", value=True, text=REFERENCE, default=THREE),
    Case(
        knob="strict_scalars",
        value=False,
        text=OTHER.replace("{}", "{size: [1K]}"),
        beside={"extra_models": OTHER_MODELS},
        faults=("model-404",),  # else our client refuses it by itself
        default=NOTHING_MADE,
        changed=SOUR_IS_SENT,
    ),
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
    Case(
        knob="deduplicates",
        value=True,
        text=TWINS,
        default=TWO,
        changed=Ends(jobs=2, posts=-1),
    ),
    Case(knob="submit_status", value=201),
    Case(knob="submit_status", value=202),
    Case(
        knob="sparse_submit",
        value=True,
        default=Ends(check=charges(PRICE_CU)),
        changed=Ends(check=charges(PRICE_CU)),
    ),
    Case(knob="sparse_submit", value=True, faults=LOST),
    Case(knob="submit_author_differs", value=True),
    Case(knob="job_seconds", value=(0.0, 0.0)),
    Case(knob="job_seconds", value=(60.0, 90.0)),
    Case(knob="status_path", value=(("pending", 0.0), ("processing", 0.5))),
    Case(knob="status_path", value=(("a-new-word", 0.0),)),
    Case(knob="failure_rate", value=1.0, changed=ALL_FAIL),
    Case(knob="moderation_rate", value=1.0, changed=ALL_FAIL),
    Case(
        knob="failed_status",
        value="failed",
        text=FAILING,
        default=ONE_FAILS,
        changed=ONE_FAILS,
    ),
    Case(knob="image_format", value="jpeg", changed=Ends(check=files(4, ".jpg"))),
    Case(knob="image_format", value="webp", changed=Ends(check=files(4, ".webp"))),
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
        knob="companion_assets",
        value=2,
        changed=Ends(check=says("companions of other kinds stay at the service")),
    ),
    Case(
        knob="asset_error_rate",
        value=1.0,
        changed=Ends(
            code=ExitCode.ITEMS_FAILED, saved=0, check=says("failed to store asset")
        ),
    ),
    Case(knob="workflow_child_rate", value=1.0),
    Case(knob="stranger_rate", value=1.0),
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {}
