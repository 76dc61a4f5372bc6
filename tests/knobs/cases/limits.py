"""The cases of access, of the plan, and of the limits on requests and jobs."""

from collections.abc import Mapping
from dataclasses import replace

from knobs.cases.case import Case, Ends
from knobs.cases.checks import most_in_flight, says
from knobs.cases.shared import LOST, NOTHING_MADE, TEN, THREE
from knobs.world import MODEL, PLAIN, QUICK, REFERENCE

from pipeline import ExitCode

PRO = f"{MODEL}-pro"
TWO_MODELS = PLAIN + f"  - {{id: pro, prompt: a fir, model: {PRO}}}\n"
UNREADABLE_LIMITS = {"limits_status": 403}
LONG = {"job_seconds": (10.0, 10.0)}  # so long that jobs overlap on any machine
REFUSED_SOME = Ends(posts=-1)
NO_ACCESS = Ends(code=ExitCode.ACCESS, jobs=0, posts=-1)

CASES: tuple[Case, ...] = (
    Case(knob="accepted_keys", value={"another": "pair"}, changed=NO_ACCESS),
    Case(knob="accepted_keys", value={"key": "secret"}),
    Case(knob="same_author", value=True, faults=LOST),
    Case(
        knob="foreign_project_status",
        value=404,
        project_id="proj_foreign",
        default=NO_ACCESS,
        changed=NO_ACCESS,
    ),
    Case(knob="teams_status", value=403, beside={"ceiling": 2}, changed=REFUSED_SOME),
    Case(knob="limits_status", value=403, beside={"ceiling": 2}, changed=REFUSED_SOME),
    Case(knob="limits_status", value=404),
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
        # One price was refused at first: it is asked for again while others run.
        knob="quotes_need_slot",
        value=True,
        beside={**LONG, "ceiling": 1, "cost_impact": {}},
        faults=("quote-404",),
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
    Case(
        knob="body_cap_bytes",
        value=1500,
        text=REFERENCE.replace("style.png", "noise.png"),
        default=THREE,
        changed=replace(NOTHING_MADE, check=says("body too large")),
    ),
    Case(knob="response_cap_bytes", value=6000, text=TEN, default=Ends(jobs=10)),
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {}
