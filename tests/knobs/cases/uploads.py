"""The cases of how files are uploaded."""

from collections.abc import Mapping
from dataclasses import replace

from knobs.cases.case import Case, Ends
from knobs.cases.checks import says, uploads
from knobs.cases.shared import NOTHING_MADE, THREE
from knobs.world import BIG_REFERENCE, QUICK, REFERENCE

CASES: tuple[Case, ...] = (
    Case(knob="small_upload_jobs", value=False, text=REFERENCE, default=THREE),
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
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {}
