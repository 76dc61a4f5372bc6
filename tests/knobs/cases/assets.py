"""The cases of how assets are shown, and of their size in pixels."""

from collections.abc import Mapping

from knobs.cases.case import Case, Ends
from knobs.cases.checks import files, says, shaped, uploads
from knobs.cases.shared import HASTY, THREE
from knobs.world import REFERENCE, items

from pipeline import ExitCode

THREE_OUTPUTS = items("an oak", "an elm", params="{numOutputs: 3}")

CASES: tuple[Case, ...] = (
    Case(knob="asset_hidden_s", value=8.0),
    Case(knob="asset_pending_s", value=8.0),
    Case(
        knob="asset_retention_s",
        value=0.001,
        settings=HASTY,
        changed=Ends(code=ExitCode.ITEMS_FAILED, saved=0, check=says("does not show")),
    ),
    Case(
        knob="upload_hidden_s",
        value=8.0,
        text=REFERENCE,
        default=THREE,
        changed=Ends(jobs=3, posts=-1),
    ),
    Case(
        knob="upload_pending_s",
        value=8.0,
        text=REFERENCE,
        default=Ends(jobs=3, check=uploads(1)),
    ),
    Case(
        knob="output_index",
        value="zero",
        text=THREE_OUTPUTS,
        default=Ends(jobs=2, check=files(6)),
    ),
    Case(
        knob="output_index",
        value="position",
        text=THREE_OUTPUTS,
        default=Ends(jobs=2, check=files(6)),
    ),
    Case(
        knob="claimed_mime_type",
        value="image/webp",
        default=Ends(check=files(4)),
        changed=Ends(check=files(4)),
    ),
    Case(knob="transformed_urls", value=False),
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
        knob="sizes_follow_reference",
        value=True,
        text=REFERENCE,
        beside={"fixed_size_px": None, "pixels_divisor": 16},
        default=Ends(jobs=3, check=shaped(64, 64)),
        changed=Ends(jobs=3, check=shaped(90, 45)),
    ),
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {
    "pixels_divisor": "keeps pictures small, so that large runs are cheap",
    "fixed_size_px": "keeps pictures small; every case runs with small ones",
}
