"""``POST /generate/custom/{modelId}``: checks a request, then prices it or makes a job.

The checks of inputs are left to ``validation``, the limits to ``gate``, and the outcome
of a job to ``job_maker``.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.emulator.answer import Answer
from pipeline.emulator.assets import Assets
from pipeline.emulator.counters import Counters
from pipeline.emulator.gate import Gate
from pipeline.emulator.identity import make_id
from pipeline.emulator.job_maker import JobMaker
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.job_view import JobView
from pipeline.emulator.jobs import TERMINAL, EmulatedJob
from pipeline.emulator.model_records import ModelRecord
from pipeline.emulator.outcomes import MODERATED_TEXT, is_moderated, script_of
from pipeline.emulator.pricing import Price, price_of, tidy
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile
from pipeline.emulator.refusal import Refused, bad_request, not_found
from pipeline.emulator.validation import CheckedInputs, validate_inputs

QUOTE_STATUS = 269


class Submissions:
    """Takes submits and dry runs.

    Args:
        jobs: The checks, and the form of the answer.
        money: The prices. They may be replaced while the service runs.
        models: The models, by id.
        gate: Refuses what the team may not do.
        maker: Decides what becomes of a submit.
        store: Where new jobs are added.
        assets: Where their outputs are added.
        view: Describes jobs.
        counters: Where dry runs in the body are counted.
    """

    def __init__(
        self,
        *,
        jobs: JobsProfile,
        money: MoneyProfile,
        models: Mapping[str, ModelRecord],
        gate: Gate,
        maker: JobMaker,
        store: JobStore,
        assets: Assets,
        view: JobView,
        counters: Counters,
    ) -> None:
        self.money = money
        self._jobs = jobs
        self._models = models
        self._gate = gate
        self._maker = maker
        self._store = store
        self._assets = assets
        self._view = view
        self._counters = counters

    def submit(
        self, model_id: str, body: object, author_id: str, *, is_quote: bool = False
    ) -> Answer:
        """Make a job, or give its price.

        Raises:
            Refused: No job was made.
        """
        now_ms = self._store.advance()
        model = self._models.get(model_id)
        if model is None:
            raise not_found("Model", model_id)
        if not isinstance(body, dict):
            raise bad_request("The request body must be a JSON object")
        self._gate.demand_plan(model_id)
        checked = validate_inputs(
            model,
            body,
            self._jobs,
            lambda asset: self._assets.can_be_used(asset, now_ms),
        )
        price = price_of(model, checked.accepted, self.money)
        if is_quote:
            self._gate.demand_quote()
            return Answer(status=QUOTE_STATUS, body={"job": {}, **_costs(price)})
        self._counters.dry_runs_in_body += "dryRun" in body
        charged_cu = price.generation_cu * self.money.charge_factor
        charged = replace(price, generation_cu=charged_cu)
        script = self._script_of(checked)
        self._demand_unmoderated(script)
        self._gate.demand_job(now_ms, author_id, charged.total_cu)
        job = self._same_running_job(model_id, checked, script, now_ms)
        if job is None:
            job = self._make_job(
                now_ms, model, checked, charged, author_id=author_id, script=script
            )
        return self._answer(job, charged, now_ms)

    def take_up(self, job: EmulatedJob) -> None:
        """Connect a job of this or of an earlier start with its consequences."""
        if job.job_type != "custom":
            return
        self._assets.add_outputs(job)
        if job.is_ours:
            self._gate.note_job(job.created_ms)
            self._maker.note(job)

    def _script_of(self, checked: CheckedInputs) -> str:
        parents = map(self._assets.find_job, checked.asset_ids)
        return script_of(
            {**checked.dropped, **checked.accepted},
            [job.script for job in parents if job is not None],
        )

    def _demand_unmoderated(self, script: str) -> None:
        status = self._jobs.moderation_status
        if status is not None and is_moderated(script):
            raise Refused(status, MODERATED_TEXT)

    def _same_running_job(
        self, model_id: str, checked: CheckedInputs, script: str, now_ms: int
    ) -> EmulatedJob | None:
        number = self._maker.latest_alike(model_id, checked.accepted, script)
        if number is None or not self._jobs.deduplicates:
            return None
        job = self._store.jobs[number]
        return None if job.status_at(now_ms) in TERMINAL else job

    def _make_job(
        self,
        now_ms: int,
        model: ModelRecord,
        checked: CheckedInputs,
        price: Price,
        *,
        author_id: str,
        script: str,
    ) -> EmulatedJob:
        number = self._store.next_number
        for job in self._maker.make(
            number, now_ms, model, checked, price, author_id=author_id, script=script
        ):
            self._store.add(job)
            self.take_up(job)
        return self._store.jobs[number]

    def _answer(self, job: EmulatedJob, charged: Price, now_ms: int) -> Answer:
        if self._jobs.sparse_submit:
            body: dict[str, object] = {"job": self._view.identify(job)}
            return Answer(status=self._jobs.submit_status, body=body)
        shown = self._view.describe(job, now_ms)
        if self._jobs.submit_author_differs:
            shown["authorId"] = make_id("apiu", "submit", job.author_id)
        return Answer(
            status=self._jobs.submit_status, body={"job": shown, **_costs(charged)}
        )


def _costs(price: Price) -> dict[str, object]:
    return {
        "creativeUnitsCost": tidy(price.total_cu),
        "creativeUnitsDiscount": tidy(price.discount_cu),
        "costDetails": price.details(),
    }
