"""Probes: the team's limits, the model's inputs, and what its jobs cost. Free."""

from collections.abc import Mapping
from urllib.parse import quote

from pipeline.contract.prober import (
    Known,
    Prober,
    accepted,
    inner,
    list_in,
    objects_in,
    ratio_of,
)

QUOTE_STATUS = 269
PROMPT = "an oak tree icon"
UNKNOWN_ASSET = "asset_DoesNotExist000000000000"
_UNREADABLE = frozenset({401, 403})


async def ask_team(prober: Prober) -> None:
    """Ask how many teams there are, and the limits of a single one."""
    note = prober.note
    answer = await prober.get("/teams")
    teams = list_in(answer.json, "teams")
    if answer.status in _UNREADABLE:
        note("teams.seen", "refused")
    elif answer.is_ok:
        note("teams.seen", {0: "none", 1: "one"}.get(len(teams), "several"))
    if len(teams) != 1 or not isinstance(teams[0], dict):
        return
    team_id = quote(str(teams[0].get("id", "")), safe="")
    limits = await prober.get(f"/teams/{team_id}/limits")
    note("limits.readable", "yes" if limits.is_ok else accepted(limits))
    if not limits.is_ok:
        return
    told = inner(limits.json, "limits")
    ceiling = told.get("parallelCustomJobs")
    note("limits.ceiling", ceiling if isinstance(ceiling, int) else "not named")
    cooldowns = [told.get("minCooldown"), told.get("maxCooldown")]
    seconds = [value for value in cooldowns if isinstance(value, int | float)]
    note("limits.cooldown", max(seconds) if seconds else "not named")


async def ask_model(prober: Prober, known: Known) -> None:
    """Ask for the record of the model; sets ``known.inputs``."""
    note = prober.note
    answer = await prober.get(f"/models/{quote(prober.model_id, safe='')}")
    record = inner(answer.json, "model")
    inputs = objects_in(record, "inputs")
    note("model.readable", "yes" if inputs else accepted(answer))
    if not inputs:
        return
    prober.models[prober.model_id] = record
    known.inputs = names = frozenset(str(item.get("name")) for item in inputs)
    if known.shipped:
        more, fewer = sorted(names - known.shipped), sorted(known.shipped - names)
        words = [f"+{name}" for name in more] + [f"-{name}" for name in fewer]
        note("model.inputs", " ".join(words) or "same")
    flagged = any("costImpact" in item for item in inputs)
    note("model.cost-impact", "flagged" if flagged else "not flagged")
    prompts = [item for item in inputs if item.get("name") == "prompt"]
    limit = prompts[0].get("maxLength") if prompts else None
    note("model.prompt-limit", limit if isinstance(limit, int) else "not named")
    note("model.latency", "yes" if record.get("performanceStats") else "no")


async def ask_prices(prober: Prober, known: Known) -> None:
    """Ask what a job would cost and which inputs are refused, only by dry runs."""
    note = prober.note
    base: dict[str, object] = {"prompt": PROMPT}
    if "size" in known.inputs:
        base["size"] = "1K"
    path = f"/generate/custom/{quote(prober.model_id, safe='')}"
    first = await prober.post(path, base, dryRun="true")
    if first.json.get("name") == "ModelAccessRestrictedError":
        plans = inner(first.json, "details") or first.json
        note("model.plan", str(plans.get("requiredPlan") or "refused"))
        return
    note("quote.status", first.status or None)
    if not first.is_ok:
        return
    note("model.plan", "allowed")
    job = inner(first.json, "job")
    note("quote.job", "made" if job.get("jobId") or job.get("id") else "none")
    if first.status != QUOTE_STATUS or prober.value("quote.job") != "none":
        return  # any further question may cost money
    one = first.json.get("creativeUnitsCost")
    if isinstance(one, int | float):
        note("quote.price", one)
        await _compare_prices(prober, known, path, base, one)
    for key, inputs in _odd_inputs(known).items():
        answer = await prober.post(path, {**base, **inputs}, dryRun="true")
        note(key, accepted(answer))


async def _compare_prices(
    prober: Prober, known: Known, path: str, base: Mapping[str, object], one: float
) -> None:
    """Ask what other inputs cost, compared with the price of one output."""

    async def price(**inputs: object) -> float | None:
        answer = await prober.post(path, {**base, **inputs}, dryRun="true")
        cost = answer.json.get("creativeUnitsCost")
        return cost if answer.is_ok and isinstance(cost, int | float) else None

    if "numOutputs" in known.inputs:
        prober.note("quote.by-outputs", ratio_of(await price(numOutputs=4), one))
    if "size" in known.inputs:
        prober.note("quote.by-size", ratio_of(await price(size="2K"), one))
    if "imageSetMode" in known.inputs:
        in_a_set = await price(imageSetMode=True, numOutputs=4)
        prober.note("quote.set", ratio_of(in_a_set, one))
    if "images" in known.inputs and known.asset_id:
        with_image = await price(images=[known.asset_id])
        if with_image is not None:
            prober.note("quote.reference", round(with_image - one, 3))


def _odd_inputs(known: Known) -> Mapping[str, Mapping[str, object]]:
    """Inputs that no program should send, by the question they answer."""
    odd: dict[str, dict[str, object]] = {
        "quote.unknown-field": {"doesNotExist": 1},
    }
    if "seed" in known.inputs:
        odd |= {
            "quote.null": {"seed": None},
            "quote.seed-negative": {"seed": -1},
            "quote.seed-large": {"seed": 2**31},
            "quote.seed-text": {"seed": "7"},
        }
    if "images" in known.inputs:
        odd["quote.unknown-asset"] = {"images": [UNKNOWN_ASSET]}
        if known.asset_id:
            odd["quote.bare-value"] = {"images": known.asset_id}
    return odd
