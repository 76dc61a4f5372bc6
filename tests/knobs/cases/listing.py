"""The cases of how jobs are shown, in the list and by their ids."""

from collections.abc import Mapping
from dataclasses import replace

from knobs.cases.case import Case, Ends
from knobs.cases.checks import says
from knobs.cases.shared import (
    FAILING,
    HASTY,
    LOST,
    ONE,
    ONE_FAILS,
    OTHER_MODELS,
    SOUR,
    SOUR_IS_SENT,
    TEN,
)
from knobs.world import items

CASES: tuple[Case, ...] = (
    Case(knob="keys_share_jobs", value=False),
    Case(knob="hidden_job_s", value=8.0),
    Case(knob="hidden_job_s", value=8.0, text=items("an oak"), default=ONE),
    Case(
        knob="job_retention_s",
        value=0.5,
        text=items("an oak"),
        settings=HASTY,
        default=ONE,
        changed=ONE,
    ),
    Case(knob="list_lag_s", value=8.0),
    Case(knob="list_lag_s", value=5.0, faults=LOST),
    Case(knob="list_retention_s", value=0.5),
    Case(knob="list_newest_first", value=False, text=TEN, default=Ends(jobs=10)),
    Case(knob="list_newest_first", value=False, faults=LOST),
    Case(knob="page_cap", value=1, text=TEN, default=Ends(jobs=10)),
    Case(knob="page_cap", value=1, faults=LOST),
    Case(knob="job_id_key", value="id"),
    Case(knob="job_id_key", value="id", faults=LOST),
    Case(knob="heartbeat_s", value=0.05, beside={"job_seconds": (20.0, 20.0)}),
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
    Case(knob="asset_ids_delay_s", value=8.0),
    Case(knob="list_omits_asset_ids", value=True),
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
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {}
