"""The manifests, settings and ends that several groups of cases use."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from knobs.cases.case import Ends
from knobs.cases.checks import refunds
from knobs.world import PLAIN, PRICE_CU, QUICK, items

from pipeline import ExitCode

LOST = ("submit-drop-after",)
FAILING = items("an oak", "an elm [fail]")
TEN = PLAIN.replace("[oak, elm, ash, yew]", str([f"tree{n}" for n in range(10)]))
OTHER_MODEL = "model_somebody-elses"
OTHER = items("an oak", "an elm", model=OTHER_MODEL).replace(
    ", thinkingMode: false", ""
)
OTHER_MODELS: Mapping[str, Mapping[str, Any]] = {
    OTHER_MODEL: {
        "id": OTHER_MODEL,
        "name": "Other",
        "type": "custom",
        "inputs": [
            {"name": "prompt", "type": "string", "required": {"always": True}},
            {"name": "size", "type": "string", "default": "1K"},
            {"name": "images", "type": "file_array", "kind": "image"},
        ],
    }
}
SOUR = OTHER.replace("{}", "{flavour: sour}")
HASTY = replace(QUICK, free_deadline_s=20.0, fresh_job_s=5.0)

THREE = Ends(jobs=3)
TWO = Ends(jobs=2)
ONE = Ends(jobs=1)
ONE_FAILS = Ends(code=ExitCode.ITEMS_FAILED, saved=1, jobs=2, check=refunds(PRICE_CU))
# Without the model's table, the unknown input is sent.
SOUR_IS_SENT = Ends(jobs=2)
NOTHING_MADE = Ends(code=ExitCode.ITEMS_FAILED, jobs=0, posts=-1)
