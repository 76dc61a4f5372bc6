"""Probes: how the list shows jobs, and how many requests are answered. Free."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pipeline.contract.prober import (
    TOO_MANY,
    Prober,
    accepted,
    inner,
    kind_of,
    list_in,
    objects_in,
    time_in,
)

UNKNOWN_JOB = "job_DoesNotExist00000000000000"
READS = 120  # within a minute, enough to find a limit of a hundred
AT_ONCE = 8
WINDOW_S = 60.0
_ASSET_ID = re.compile(r"asset_[A-Za-z0-9]+")


async def ask_list(prober: Prober) -> None:
    """Ask in which order jobs are listed, and which filters work."""
    note = prober.note
    jobs = await prober.list_jobs(pageSize="20")
    times = [made for job in jobs if (made := time_in(job, "createdAt"))]
    if len(set(times)) > 1:
        falling = times == sorted(times, reverse=True)
        rising = times == sorted(times)
        order = "newest first" if falling else "oldest first"
        note("list.order", order if falling or rising else "neither")
    if len(times) > 1:
        newest = max(jobs, key=lambda job: str(job.get("createdAt")))
        await _ask_filter(
            prober, "list.created-after", "createdAt", newest, "createdAfter"
        )
    custom = await prober.list_jobs(types="custom", pageSize="20")
    if len(custom) > 1:
        newest = max(custom, key=lambda job: str(job.get("updatedAt")))
        await _ask_filter(
            prober,
            "list.updated-after",
            "updatedAt",
            newest,
            "updatedAfter",
            types="custom",
        )
    await _ask_token(prober)


async def ask_jobs(prober: Prober) -> None:
    """Ask what the list says about each job."""
    note = prober.note
    jobs = await prober.list_jobs(types="custom", pageSize="50")
    inputs = [inner(job, "metadata", "input") for job in jobs]
    inputs = [echo for echo in inputs if echo]
    if inputs:
        with_model = all(isinstance(echo.get("modelId"), str) for echo in inputs)
        note("list.model", "shown" if with_model else "not shown")
        kinds = {kind_of(echo["seed"]) for echo in inputs if "seed" in echo}
        note("list.seed", " and ".join(sorted(kinds)) or None)
    prompts = [echo["prompt"] for echo in inputs if isinstance(echo.get("prompt"), str)]
    if prompts:
        ids = sum(bool(_ASSET_ID.fullmatch(prompt)) for prompt in prompts)
        mixed = "text and ids" if ids < len(prompts) else "ids"
        note("list.prompt", mixed if ids else "text")
    done = [job for job in jobs if job.get("status") == "success"]
    if done:
        shown = [list_in(inner(job, "metadata"), "assetIds") for job in done]
        note("list.assets", "shown" if any(shown) else "not shown")
    unknown = await prober.get(f"/jobs/{UNKNOWN_JOB}")
    note("job.unknown", accepted(unknown))
    await _ask_output(prober, done)


async def ask_rate(prober: Prober) -> None:
    """Read something cheap 120 times as fast as possible, until it is refused."""
    for _ in range(READS // AT_ONCE):
        answers = await prober.read_at_once(AT_ONCE, "/models", pageSize="1")
        refused = [answer for answer in answers if answer.status == TOO_MANY]
        if refused:
            # Earlier requests count too: the window slides.
            since_s = refused[0].sent_at_s - WINDOW_S
            answered = [
                exchange
                for exchange in prober.kept
                if exchange.target.startswith("/")
                and exchange.sent_at_s > since_s
                and exchange.status not in {0, TOO_MANY}
            ]
            prober.note("rate.limit", len(answered))
            words = ["429"]
            if "retry-after" in refused[0].headers:
                words.append("with Retry-After")
            prober.note("rate.refusal", " ".join(words))
            return
        if not all(answer.is_ok for answer in answers):
            return
    prober.note("rate.limit", "none found")


async def _ask_filter(
    prober: Prober,
    key: str,
    field: str,
    newest: Mapping[str, Any],
    parameter: str,
    **query: str,
) -> None:
    """Ask whether a filter by the time of the newest job leaves out older ones."""
    border = str(newest.get(field))
    query = {**query, parameter: border, "pageSize": "20"}
    shown = await prober.list_jobs(**query)
    if not prober.kept[-1].is_ok:
        prober.note(key, accepted(prober.kept[-1]))
        return
    older = any(str(job.get(field)) < border for job in shown)
    prober.note(key, "ignored" if older else "obeyed")


async def _ask_token(prober: Prober) -> None:
    first = await prober.get("/jobs", pageSize="1")
    token = first.json.get("nextPaginationToken")
    if not isinstance(token, str) or not token:
        return
    second = await prober.get("/jobs", pageSize="1", paginationToken=token)
    if not second.is_ok:
        prober.note("list.token", accepted(second))
        return
    pages = [objects_in(page.json, "jobs") for page in (first, second)]
    ids = [{str(job.get("jobId") or job.get("id")) for job in page} for page in pages]
    circles = bool(ids[0] & ids[1])
    circles = circles or second.json.get("nextPaginationToken") == token
    prober.note("list.token", "in circles" if circles else "onwards")


async def _ask_output(prober: Prober, done: Sequence[Mapping[str, Any]]) -> None:
    """Ask what the asset of a finished job looks like."""
    for job in done[:3]:
        for asset_id in list_in(inner(job, "metadata"), "assetIds")[:1]:
            answer = await prober.get(f"/assets/{quote(str(asset_id), safe='')}")
            asset = inner(answer.json, "asset")
            if "outputIndex" in asset:
                index = asset["outputIndex"]
                kind = "null" if index is None else kind_of(index)
                prober.note("asset.output-index", kind)
                return
