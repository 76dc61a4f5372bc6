"""The cases of the fields that belong to no record."""

from collections.abc import Mapping

from knobs.cases.case import Case

CASES: tuple[Case, ...] = (
    Case(knob="answer_delay_s", value=2.0),
    *(Case(knob="date_skew_s", value=skew_s) for skew_s in (-10_800.0, 300.0)),
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {
    "seed": "determines what is drawn, and no answer of the service",
    "hang_s": "how long a fault hangs; the tests of the faults have it",
}
