"""The cases of signed URLs, and of how files are sent."""

from collections.abc import Mapping
from dataclasses import replace

from knobs.cases.case import Case
from knobs.world import QUICK

ALONE = replace(QUICK, downloads=1)

CASES: tuple[Case, ...] = (
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
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {
    "altered_url_status": "our client alters no URL; a test of its own has both",
}
