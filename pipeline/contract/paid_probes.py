"""Probes that cost a few units, within a budget that a person has agreed to.

The money rule is that of every run: the price is asked first, each submit is sent once
and never repeated, and what was not certainly refused counts as paid. If an answer to a
submit is lost, or more is charged than quoted, nothing more is paid for.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from pipeline.api.exchange import Exchange
from pipeline.api.wire import find_job_id, parse_job, units_from_json
from pipeline.contract.prober import (
    TOO_MANY,
    Prober,
    inner,
    kind_of,
    list_in,
    step_of,
    time_in,
    word_in,
)
from pipeline.counting import choose, plural
from pipeline.errors import UnexpectedAnswer
from pipeline.record import Struct

PROMPT = " an oak  tree, cafe\u0301 style "  # what a service may tidy up
SEED = 123_456_789  # more than fits into 16 bits
SIZE = "1024*1024"
QUOTE_STATUS = 269
LONGEST_JOB_S = 900.0
MOST_ABOVE = 10  # a higher ceiling is not filled just to see a refusal
LOOKS = 100  # at something that takes at most minutes
LISTED_LOOKS = 2  # more of them, if assets are missing
_UNPAID = frozenset({400, 401, 402, 403, 404, 413, 422, TOO_MANY})
_SUCCESS = "success"
_ENDED = frozenset({_SUCCESS, "failure", "canceled", "failed"})


class Step(Struct, frozen=True, kw_only=True):
    """One thing to pay for.

    Attributes:
        name: What it is, in words for a person.
        model_id: The model to use.
        inputs: The inputs of one submit.
        submits: How many submits to send at once.
        units: The quote for one submit.
    """

    name: str
    model_id: str
    inputs: Mapping[str, object]
    submits: int
    units: Decimal

    @property
    def total(self) -> Decimal:
        """The quote for all of them."""
        return self.units * self.submits


class PaidProbes:
    """Plans what to pay for and, once agreed to, pays for it.

    Args:
        prober: Asks and notes; has already asked the free questions.
        small_model_id: A cheap model, used if the service has it.
        budget: Units that may be spent.

    Attributes:
        spent: Units that were spent, or may have been.
        trouble: Why the rest was not asked, or "".
        is_unknown: Whether a submit was sent whose outcome is unknown.
        is_overcharged: Whether more was charged than quoted.
    """

    def __init__(self, prober: Prober, *, small_model_id: str, budget: Decimal) -> None:
        self._prober = prober
        self._small_model_id = small_model_id
        self._budget = budget
        self.spent = Decimal(0)
        self.trouble = ""
        self.is_unknown = False
        self.is_overcharged = False
        self._has_seen_job = False

    async def plan(self) -> tuple[Step, ...]:
        """The steps that the budget allows, the most useful first. Free."""
        model_id = self._prober.model_id
        small_id, small = self._small_model_id, {"prompt": PROMPT, "seed": SEED}
        if await self._quote(small_id, small) is None:
            small_id = model_id
        picture = {**small, "size": SIZE, "thinkingMode": False}
        ceiling = self._prober.value("limits.ceiling")
        wanted = [("one picture", model_id, picture, 1)]
        if small_id != model_id:
            wanted.insert(0, ("one small picture", small_id, small, 1))
        in_a_set = {**picture, "imageSetMode": True, "numOutputs": 4}
        wanted.append(("a set of four", model_id, in_a_set, 1))
        if isinstance(ceiling, int) and 0 < ceiling <= MOST_ABOVE:
            name = f"{ceiling + 1} at once, one more than the ceiling"
            above = ("above", small_id, small if small_id != model_id else picture)
            wanted.insert(1, (name, above[1], above[2], ceiling + 1))
        steps: list[Step] = []
        left = self._budget
        for name, model, inputs, submits in wanted:
            units = await self._quote(model, inputs)
            if units is None or units * submits > left:
                continue
            left -= units * submits
            steps.append(
                Step(
                    name=name,
                    model_id=model,
                    inputs=inputs,
                    submits=submits,
                    units=units,
                )
            )
        return tuple(steps)

    async def ask(self, steps: Sequence[Step], tell: Callable[[str], None]) -> None:
        """Pay for the steps, one after the other, until something is not as quoted."""
        for number, step in enumerate(steps):
            if self.trouble or self.spent + step.total > self._budget:
                return
            tell(f"{step.name}, {plural(step.total, 'unit')}")
            if step.submits > 1:
                await self._ask_ceiling(step)
            elif step.inputs.get("imageSetMode"):
                await self._ask_set(step)
            else:
                await self._ask_one(step, is_first=number == 0)

    async def _quote(
        self, model_id: str, inputs: Mapping[str, object]
    ) -> Decimal | None:
        answer = await self._prober.post(_path(model_id), inputs, dryRun="true")
        if answer.status != QUOTE_STATUS or find_job_id(answer.json) is not None:
            return None
        units = units_from_json(answer.json.get("creativeUnitsCost"))
        return units if units is not None and units >= 0 else None

    # --- paying ------------------------------------------------------------------

    def _take(self, step: Step, answer: Exchange) -> str:
        """Record what an answer to a submit means; return the job's id, or ""."""
        job_id = find_job_id(answer.json) if answer.is_ok else None
        if job_id is None and answer.status in _UNPAID:
            if answer.status != TOO_MANY:
                said = answer.json.get("reason") or answer.json.get("message")
                self.trouble = f"refused with HTTP {answer.status}: {said}"
            return ""
        charged = units_from_json(answer.json.get("creativeUnitsCost"))
        self.spent += max(step.units, charged or Decimal(0))
        if job_id is None:
            self.is_unknown = True
            said = f"HTTP {answer.status}" if answer.status else answer.error
            self.trouble = f"a submit was answered with {said}: it may be paid for"
            return ""
        self._compare_charge(step, charged)
        return job_id

    def _compare_charge(self, step: Step, charged: Decimal | None) -> None:
        if charged is not None and charged > step.units:
            self.is_overcharged = True
            was = choose(charged, "was", "were")
            self.trouble = (
                f"{plural(charged, 'unit')} {was} charged, {step.units:f} quoted"
            )

    async def _ask_one(self, step: Step, *, is_first: bool) -> None:
        prober, note = self._prober, self._prober.note
        answer = await prober.pay(_path(step.model_id), step.inputs)
        note("submit.status", answer.status or None)
        job_id = self._take(step, answer)
        if not job_id:
            return
        job = inner(answer.json, "job")
        note("submit.job-status", str(job.get("status") or "not said"))
        charged = units_from_json(answer.json.get("creativeUnitsCost"))
        note("submit.charge", _compared_to_quote(charged, step.units))
        ended = await self._follow(job_id, answer, is_first=is_first)
        if not ended:
            return
        self._note_end(step, ended)
        assets = list_in(inner(ended, "metadata"), "assetIds")
        if assets:
            await self._ask_asset(step, str(assets[0]))

    async def _follow(
        self, job_id: str, submitted: Exchange, *, is_first: bool
    ) -> Mapping[str, Any]:
        """Watch a job to its end, by id and in the list; {} if it does not end."""
        prober, note = self._prober, self._prober.note
        path, looks = f"/jobs/{quote(job_id, safe='')}", 0
        is_listed = not is_first
        while True:
            looks += 1
            read = await prober.get(path)
            record = inner(read.json, "job")
            since_s = submitted.at_s
            if record and not self._has_seen_job:
                self._has_seen_job = True
                note("job.visible", step_of(read.at_s - since_s, looks))
            if not is_listed and await self._find_listed(job_id):
                is_listed = True
                note("list.lag", step_of(prober.kept[-1].at_s - since_s, looks))
            if word_in(record, "status") in _ENDED:
                break
            if read.at_s - since_s > LONGEST_JOB_S:
                self.trouble = f"job {job_id} does not end"
                return {}
            await prober.pause()
        record = await self._wait_for_assets(path, read, submitted)
        await self._ask_listed(job_id, submitted, is_listed=is_listed)
        return record

    async def _wait_for_assets(
        self, path: str, ended: Exchange, submitted: Exchange
    ) -> Mapping[str, Any]:
        """The record of a job that has ended, once it names its assets."""
        prober, read = self._prober, ended
        made = time_in(inner(ended.json, "job"), "createdAt")
        done = time_in(inner(ended.json, "job"), "updatedAt")
        done_s = ended.at_s
        if made and done:  # it may have ended long before this was visible
            done_s = submitted.at_s + (done - made).total_seconds()
        for look in range(1, LOOKS + 1):
            record = inner(read.json, "job")
            if list_in(inner(record, "metadata"), "assetIds"):
                prober.note("job.assets", step_of(read.at_s - done_s, look))
                break
            if word_in(record, "status") != _SUCCESS:
                break
            await prober.pause()
            read = await prober.get(path)
        return record

    async def _ask_listed(
        self, job_id: str, submitted: Exchange, *, is_listed: bool
    ) -> None:
        """Ask how the list shows a job that has ended with assets."""
        prober, listed, looks_left = self._prober, dict[str, Any](), LISTED_LOOKS
        for _ in range(LOOKS):
            listed = dict(await self._find_listed(job_id))
            if listed and not is_listed:
                is_listed = True
                lag_s = prober.kept[-1].at_s - submitted.at_s
                prober.note("list.lag", step_of(lag_s))
            has_ended = word_in(listed, "status") in _ENDED
            has_assets = bool(list_in(inner(listed, "metadata"), "assetIds"))
            if has_assets or (has_ended and not looks_left):
                break
            looks_left -= has_ended
            await prober.pause()
        if has_ended and prober.value("job.assets") is not None:
            prober.note("job.listed-assets", "shown" if has_assets else "not shown")
        ours = inner(submitted.json, "job").get("authorId")
        if ours and listed.get("authorId"):
            same = ours == listed["authorId"]
            prober.note("submit.author", "same" if same else "differs")

    async def _find_listed(self, job_id: str) -> Mapping[str, Any]:
        for job in await self._prober.list_jobs(pageSize="20"):
            if job_id in (job.get("jobId"), job.get("id")):
                return job
        return {}

    def _note_end(self, step: Step, job: Mapping[str, Any]) -> None:
        note = self._prober.note
        path = [
            str(entry.get("status"))
            for entry in list_in(job, "statusHistory")
            if isinstance(entry, dict)
        ]
        note("job.path", " > ".join(path) or None)
        try:
            charged = parse_job(job).charged
        except UnexpectedAnswer:
            charged = None
        note("job.charge", _compared_to_quote(charged, step.units))
        if charged is not None and not self.is_overcharged:
            self.spent += max(charged - step.units, Decimal(0))
            self._compare_charge(step, charged)
        echo = inner(job, "metadata", "input")
        if not echo:
            return
        note("echo.prompt", _prompt_kind(echo.get("prompt")))
        seed = echo.get("seed")
        is_same = str(seed).removesuffix(".0") == str(SEED)
        note("echo.seed", kind_of(seed) if is_same or seed is None else "another")
        if "size" in step.inputs:
            size = str(echo.get("size"))
            alike = {SIZE: "same", SIZE.replace("*", "x"): "with x"}
            note("echo.size", alike.get(size, "another"))

    async def _ask_asset(self, step: Step, asset_id: str) -> None:
        prober = self._prober
        since_s = prober.kept[-1].at_s
        for look in range(1, LOOKS + 1):
            bulk = await prober.post("/assets/get-bulk", {"assetIds": [asset_id]})
            for asset in list_in(bulk.json, "assets"):
                if isinstance(asset, dict) and asset.get("status") == _SUCCESS:
                    ready_s = prober.kept[-1].at_s - since_s
                    prober.note("asset.ready", step_of(ready_s, look))
                    if step.model_id == prober.model_id:
                        prober.note("wan.format", str(asset.get("mimeType")))
                    index = asset.get("outputIndex")
                    kind = "null" if index is None else kind_of(index)
                    prober.note("asset.output-index", kind)
                    return
            await prober.pause()

    async def _ask_ceiling(self, step: Step) -> None:
        """Send so many at once that one must be refused."""
        prober, note = self._prober, self._prober.note
        bodies = [{**step.inputs, "seed": SEED + n} for n in range(step.submits)]
        answers = await prober.pay_at_once(_path(step.model_id), bodies)
        jobs = [job_id for answer in answers if (job_id := self._take(step, answer))]
        refused = [answer for answer in answers if answer.status == TOO_MANY]
        if not refused:
            note("ceiling.refusal", "none")
        else:
            details = inner(refused[0].json, "details")
            named = isinstance(details.get("actionLimit"), int)
            note("ceiling.refusal", "429 with details" if named else "429")
            name = details.get("actionName") or refused[0].json.get("name")
            note("ceiling.name", str(name) if name else "not said")
        for job_id in jobs:
            await self._wait_for_end(job_id)

    async def _ask_set(self, step: Step) -> None:
        answer = await self._prober.pay(_path(step.model_id), step.inputs)
        job_id = self._take(step, answer)
        job = await self._wait_for_end(job_id) if job_id else {}
        if word_in(job, "status") == _SUCCESS:
            count = len(list_in(inner(job, "metadata"), "assetIds"))
            self._prober.note("wan.set", count or None)

    async def _wait_for_end(self, job_id: str) -> Mapping[str, Any]:
        """The record of a job that has ended, including its assets."""
        since_s = self._prober.kept[-1].at_s
        while True:
            read = await self._prober.get(f"/jobs/{quote(job_id, safe='')}")
            job = inner(read.json, "job")
            status = word_in(job, "status")
            has_assets = bool(list_in(inner(job, "metadata"), "assetIds"))
            if has_assets or (status in _ENDED and status != _SUCCESS):
                return job
            if read.at_s - since_s > LONGEST_JOB_S:
                return {}
            await self._prober.pause()


def _path(model_id: str) -> str:
    return f"/generate/custom/{quote(model_id, safe='')}"


def _compared_to_quote(charged: Decimal | None, quoted: Decimal) -> str | None:
    if charged is None:
        return None
    if charged == quoted:
        return "quoted"
    return "more" if charged > quoted else "less"


def _prompt_kind(prompt: object) -> str:
    if not isinstance(prompt, str):
        return "absent"
    forms = {
        PROMPT: "same",
        unicodedata.normalize("NFC", PROMPT): "nfc",
        " ".join(PROMPT.split()): "trimmed",
        PROMPT.strip(): "trimmed",
    }
    if prompt.startswith("asset_"):
        return "asset id"
    return forms.get(prompt, "rewritten")
