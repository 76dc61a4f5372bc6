"""Every assumption about the service that can be checked, as data.

``docs/reference/service.md`` has the same table, and a test keeps the two in step.
"""

from collections.abc import Mapping

from pipeline.job import JsonValue
from pipeline.record import Struct

FREE, PAID, RATE = "free", "paid", "rate"


class Assumption(Struct, frozen=True, kw_only=True):
    """Something that we assume, and how to recognise it.

    Attributes:
        key: Its permanent name, ``area.question``.
        text: What we assume.
        probe: How it is checked: ``free``; ``paid``; or ``rate``, the one probe that
            reaches the limit on requests.
        agrees: What is observed if we are right. Empty if any answer will do, because
            it is only recorded.
        at_least: Any number from here on agrees too, or None.
        safety: What it would mean for money or files if we were wrong; "" if it would
            only cost time or comfort.
    """

    key: str
    text: str
    probe: str = FREE
    agrees: tuple[JsonValue, ...] = ()
    at_least: int | None = None
    safety: str = ""


ASSUMPTIONS: tuple[Assumption, ...] = (
    # --- who we are and what we may do
    Assumption(
        key="teams.seen",
        text="the key sees exactly one team",
        agrees=("one",),
    ),
    Assumption(
        key="limits.readable",
        text="the key may read the limits of its team",
        agrees=("yes",),
    ),
    Assumption(key="limits.ceiling", text="the limits name the jobs in flight allowed"),
    Assumption(key="limits.cooldown", text="the limits name cooldowns"),
    # --- models
    Assumption(
        key="model.readable",
        text="the record of a model can be read, with its inputs",
        agrees=("yes",),
        safety="inputs are held against the table that ships, which may be out of date",
    ),
    Assumption(
        key="model.inputs",
        text="it has the inputs of the table that ships",
        agrees=("same",),
    ),
    Assumption(
        key="model.cost-impact",
        text="its inputs say whether they change the price",
        agrees=("flagged",),
    ),
    Assumption(key="model.prompt-limit", text="the longest prompt, in characters"),
    Assumption(
        key="model.latency", text="it says how long a job takes", agrees=("yes",)
    ),
    Assumption(
        key="model.plan",
        text="the plan allows the model",
        agrees=("allowed",),
    ),
    # --- prices
    Assumption(
        key="quote.status",
        text="a dry run is answered with 269",
        agrees=(269,),
        safety="a dry run may start a paid job: a quote that names a job stops the run",
    ),
    Assumption(
        key="quote.job",
        text="a dry run makes no job",
        agrees=("none",),
        safety="asking for prices costs money",
    ),
    Assumption(key="quote.price", text="the price of one output of 1K, in units"),
    Assumption(
        key="quote.by-outputs",
        text="four outputs cost four times as much",
        agrees=(4,),
    ),
    Assumption(key="quote.by-size", text="2K costs as much as 1K", agrees=(1,)),
    Assumption(key="quote.reference", text="what a reference image adds, in units"),
    Assumption(
        key="quote.set",
        text="a set of four costs as much as four outputs",
        agrees=(4,),
    ),
    Assumption(
        key="quote.unknown-field",
        text="an input that the model does not have is accepted and ignored",
        agrees=("accepted",),
    ),
    Assumption(
        key="quote.null", text="null in place of an input", agrees=("accepted", 400)
    ),
    Assumption(
        key="quote.bare-value",
        text="a bare value for a list is accepted and dropped",
        agrees=("accepted",),
    ),
    Assumption(key="quote.seed-negative", text="the seed -1 is refused", agrees=(400,)),
    Assumption(
        key="quote.seed-large", text="the seed 2147483648 is refused", agrees=(400,)
    ),
    Assumption(key="quote.seed-text", text="a seed in text is refused", agrees=(400,)),
    Assumption(
        key="quote.unknown-asset",
        text="a reference that does not exist is refused",
        agrees=(400, 404),
        safety="a reference that is lost would be left out, and the job charged",
    ),
    # --- the job list
    Assumption(
        key="list.order",
        text="the unfiltered list shows the newest job first",
        agrees=("newest first",),
    ),
    Assumption(
        key="list.created-after",
        text="createdAfter leaves out what is older",
        agrees=("obeyed",),
        safety="lost submits are looked for by it",
    ),
    Assumption(
        key="list.updated-after",
        text="updatedAfter leaves out what has not changed since",
        agrees=("obeyed",),
    ),
    Assumption(
        key="list.token",
        text="the token of a page leads to other jobs",
        agrees=("onwards",),
        safety="a listing that goes in circles proves nothing of a lost submit",
    ),
    Assumption(
        key="list.uploads",
        text="uploads are listed among the jobs",
        agrees=("shown",),
    ),
    Assumption(
        key="list.upload-lag",
        text="a new upload is in the list at once (seconds)",
        agrees=(0,),
    ),
    Assumption(
        key="list.author",
        text="the list names the author that other answers name",
        agrees=("same",),
        safety="the author proves nothing about whose job it is",
    ),
    Assumption(
        key="list.model",
        text="the list shows the model of a job",
        agrees=("shown",),
        safety="a lost submit may be any job that is listed",
    ),
    Assumption(
        key="list.seed",
        text="the list shows seeds as numbers",
        agrees=("number",),
    ),
    Assumption(
        key="list.prompt",
        text="the list shows prompts as text, old ones as asset ids",
        agrees=("text", "text and ids"),
        safety="lost submits are told apart by their seeds alone",
    ),
    Assumption(
        key="list.assets",
        text="the list shows the assets of finished jobs",
        agrees=("shown",),
    ),
    Assumption(
        key="job.unknown",
        text="a job that does not exist is 404",
        agrees=(404,),
        safety="a job that is lost is not recognised as lost",
    ),
    Assumption(
        key="date.skew",
        text="the Date header agrees with the times of jobs (seconds)",
        agrees=(0,),
    ),
    # --- assets and their files
    Assumption(
        key="upload.ready",
        text="a small upload can be used at once",
        agrees=("success",),
    ),
    Assumption(
        key="upload.again",
        text="the same bytes become another asset",
        agrees=("new",),
    ),
    Assumption(
        key="asset.url",
        text="a URL leads to a transformed copy",
        agrees=("transformed",),
    ),
    Assumption(
        key="asset.original-url",
        text="with originalAssets=true it leads to the original",
        agrees=("original",),
        safety="what is saved is a copy, and its size is not the one announced",
    ),
    Assumption(
        key="asset.size",
        text="properties.size is the size of the original",
        agrees=("same",),
        safety="whole files would be taken for cut ones",
    ),
    Assumption(
        key="asset.output-index",
        text="outputIndex is null",
        agrees=("null",),
    ),
    Assumption(
        key="bulk.unknown",
        text="a bulk read leaves out what it does not know",
        agrees=("left out",),
    ),
    Assumption(
        key="cdn.host",
        text="files come from a known host",
        agrees=("known",),
        safety="nothing could be downloaded",
    ),
    Assumption(key="cdn.head", text="a file answers HEAD", agrees=(200,)),
    Assumption(key="cdn.range", text="a file can be read in part", agrees=("obeyed",)),
    Assumption(key="cdn.length", text="a file says its length", agrees=("said",)),
    Assumption(
        key="cdn.altered",
        text="an altered signature of an original is 302 or 403",
        agrees=(302, 403),
    ),
    Assumption(
        key="cdn.altered-copy",
        text="an altered signature of a copy is 302 or 403",
        agrees=(302, 403),
    ),
    # --- what costs a little
    Assumption(
        key="submit.status",
        text="a submit is answered with 200",
        probe=PAID,
        agrees=(200,),
    ),
    Assumption(
        key="submit.job-status",
        text="its job is queued",
        probe=PAID,
        agrees=("queued",),
    ),
    Assumption(
        key="submit.charge",
        text="what is charged was quoted",
        probe=PAID,
        agrees=("quoted",),
        safety="a budget reserves less than is taken",
    ),
    Assumption(
        key="submit.author",
        text="the answer to a submit names the author that the list names",
        probe=PAID,
        agrees=("same",),
        safety="the author proves nothing about whose job it is",
    ),
    Assumption(
        key="job.visible",
        text="a new job can be read at once (seconds)",
        probe=PAID,
        agrees=(0,),
    ),
    Assumption(
        key="list.lag",
        text="a new job is in the list at once (seconds)",
        probe=PAID,
        agrees=(0, 2, 5, 10, 30, 60),
        safety="absence is believed 90 s after a lost submit: raise --settle",
    ),
    Assumption(key="job.path", text="the statuses that a job goes through", probe=PAID),
    Assumption(
        key="job.charge",
        text="at its end a job was charged what was quoted",
        probe=PAID,
        agrees=("quoted",),
        safety="a budget reserves less than is taken",
    ),
    Assumption(
        key="job.assets",
        text="a job that says success has its assets (seconds)",
        probe=PAID,
        agrees=(0,),
    ),
    Assumption(
        key="job.listed-assets",
        text="the list has them too",
        probe=PAID,
        agrees=("shown",),
    ),
    Assumption(
        key="asset.ready",
        text="they can be read at once (seconds)",
        probe=PAID,
        agrees=(0,),
    ),
    Assumption(
        key="echo.prompt",
        text="the prompt is recorded as it was sent",
        probe=PAID,
        agrees=("same",),
    ),
    Assumption(
        key="echo.seed",
        text="the seed is recorded as the number that was sent",
        probe=PAID,
        agrees=("number",),
        safety="a lost submit is told from others by its seed",
    ),
    Assumption(
        key="echo.size",
        text="the size is recorded as it was sent",
        probe=PAID,
        agrees=("same",),
    ),
    Assumption(
        key="ceiling.refusal",
        text="one job above the ceiling is 429, with the ceiling in details",
        probe=PAID,
        agrees=("429 with details",),
        safety="the ceiling is found out by refusals alone",
    ),
    Assumption(key="ceiling.name", text="what the refusal calls the limit", probe=PAID),
    Assumption(
        key="wan.format", text="a picture is a PNG", probe=PAID, agrees=("image/png",)
    ),
    Assumption(
        key="wan.set",
        text="a set of four has four pictures",
        probe=PAID,
        agrees=(4,),
    ),
    # --- the limit itself
    Assumption(
        key="rate.limit",
        text="a hundred requests a minute are answered",
        probe=RATE,
        agrees=("none found",),
        at_least=100,
        safety="--rpm has to be set to less",
    ),
    Assumption(
        key="rate.refusal",
        text="how a request above it is refused",
        probe=RATE,
    ),
)

BY_KEY: Mapping[str, Assumption] = {item.key: item for item in ASSUMPTIONS}


def verdict_on(key: str, seen: JsonValue) -> str:
    """``agree`` or ``differ``, or ``unknown`` if nothing was observed (None)."""
    if seen is None:
        return "unknown"
    assumption = BY_KEY[key]
    least = assumption.at_least
    if least is not None and isinstance(seen, int | float) and seen >= least:
        return "agree"
    return "agree" if not assumption.agrees or seen in assumption.agrees else "differ"
