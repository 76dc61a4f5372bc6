"""The whole service behind its routes: no network, no waiting, on a given clock.

Takes requests that are already read and gives the objects that will be sent.
Nothing happens between calls: each call first brings the state up to the present
moment. Files are made by ``gallery``, HTTP is left to ``app``.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.clock import Clock
from pipeline.emulator.account import Account
from pipeline.emulator.assets import Assets, UploadedAsset
from pipeline.emulator.counters import Counters
from pipeline.emulator.echoes import echo_of, prompt_asset_id, prompt_is_archived
from pipeline.emulator.gate import Gate
from pipeline.emulator.identity import canonical_digest, make_id, random_of
from pipeline.emulator.job_store import JobStore, job_of_record
from pipeline.emulator.jobs import TERMINAL, EmulatedJob, describe_job, schedule
from pipeline.emulator.journal import FileStore, Journal
from pipeline.emulator.model_records import ModelRecord, load_models
from pipeline.emulator.neighbours import neighbours_of
from pipeline.emulator.outcomes import (
    LARGE_HINT,
    LARGE_TEXT,
    decide_outcome,
    repeats_matter,
)
from pipeline.emulator.pricing import Price, price_of, tidy
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import bad_request, not_found
from pipeline.emulator.timeline import Timeline
from pipeline.emulator.uploads import Uploads, upload_of_record
from pipeline.emulator.validation import (
    CheckedInputs,
    is_large_with_images,
    validate_inputs,
)

QUOTE_STATUS = 269
SEED_LIMIT = 2**31
CANNOT_CANCEL = "Cannot cancel this type of job. Action not permitted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A 2xx answer.

    Attributes:
        status: The HTTP status.
        body: The JSON object.
    """

    status: int
    body: dict[str, object]


class EmulatedService:
    """Jobs, assets, uploads, models and credits of one team.

    Args:
        profile: Answers to the open questions.
        clock: Where time comes from.
        state_file: Journal of everything that must survive a restart; uploaded
            files lie in a folder beside it. None keeps all in memory.

    Raises:
        OSError: The state file cannot be used.
        ValueError: The state file is damaged.
    """

    def __init__(
        self, profile: EmulatorProfile, clock: Clock, state_file: Path | None = None
    ) -> None:
        self._journal = Journal(state_file)
        records = list(self._journal.load_records())
        profile = replace(profile, seed=self._settled_seed(profile, records))
        self.profile = profile
        self.timeline = Timeline(clock)
        self.counters = Counters()
        self.account = Account(profile)
        folder = (
            state_file.with_name(f"{state_file.name}.files") if state_file else None
        )
        self.files = FileStore(folder)
        self.models: dict[str, ModelRecord] = load_models(profile)
        self.store = JobStore(
            profile, self.timeline, self.account, self.counters, self._journal
        )
        self.assets = Assets(
            profile, lambda number: self.store.jobs[number], self.defaults_of
        )
        self.uploads = Uploads(
            profile, self.store, self.assets, self.files, self._journal
        )
        self.gate = Gate(profile, self.store, self.account)
        self._latest_by_inputs: dict[str, int] = {}
        self._restore(records)

    def close(self) -> None:
        """Close the state file."""
        self._journal.close()

    def submit(
        self, model_id: str, body: object, author_id: str, *, is_quote: bool = False
    ) -> Answer:
        """``POST /generate/custom/{modelId}``: make a job, or price it.

        Raises:
            Refused: With the status and body of the answer; nothing was made.
        """
        now_ms = self.store.advance()
        profile = self.profile
        model = self.models.get(model_id)
        if model is None:
            raise not_found("Model", model_id)
        if not isinstance(body, dict):
            raise bad_request("The request body must be a JSON object")
        self.gate.demand_plan(model_id)
        checked = validate_inputs(
            model, body, profile, lambda asset: self.assets.can_be_used(asset, now_ms)
        )
        price = price_of(model, checked.accepted, profile)
        if is_quote:
            if profile.quotes_need_slot:
                self.gate.demand_slot()
            return Answer(status=QUOTE_STATUS, body={"job": {}, **_costs(price)})
        self.counters.dry_runs_in_body += "dryRun" in body
        charged_cu = price.generation_cu * profile.charge_factor
        charged = replace(price, generation_cu=charged_cu)
        self.gate.demand_all(now_ms, checked, charged, author_id)
        job = self._same_running_job(model_id, checked, now_ms)
        if job is None:
            job = self._make_job(now_ms, model, checked, charged, author_id)
        shown: dict[str, object] = {profile.job_id_key: job.job_id}
        if profile.sparse_submit:
            return Answer(status=profile.submit_status, body={"job": shown})
        shown = self._describe(job, now_ms)
        if profile.submit_author_differs:
            shown["authorId"] = make_id("apiu", "submit", author_id)
        return Answer(
            status=profile.submit_status, body={"job": shown, **_costs(charged)}
        )

    def read_job(self, job_id: str, reader_id: str = "") -> dict[str, object]:
        """``GET /jobs/{id}``.

        Args:
            job_id: Any id.
            reader_id: The author who asks; "" may see every job.

        Raises:
            Refused: 404: unknown, too new, too old, or not for this reader.
        """
        now_ms = self.store.advance()
        job = self.store.visible(job_id, now_ms, reader_id)
        return {"job": self._describe(job, now_ms)}

    def act_on_job(self, job_id: str, body: object) -> dict[str, object]:
        """``POST /jobs/{id}/action``; no job of these types can be canceled.

        Raises:
            Refused: Always.
        """
        self.store.visible(job_id, self.store.advance())
        if not isinstance(body, dict) or body.get("action") != "cancel":
            raise bad_request('"action" must be [cancel]')
        raise bad_request(CANNOT_CANCEL)

    def list_jobs(
        self,
        query: Mapping[str, str],
        reader_id: str = "",
        *,
        is_empty: bool = False,
        is_endless: bool = False,
    ) -> dict[str, object]:
        """``GET /jobs``; reader and flags are those of :meth:`JobStore.page`.

        Raises:
            Refused: 400 for filters that do not go together.
        """
        jobs, moment_ms, token = self.store.page(
            query,
            self.store.advance(),
            reader_id=reader_id,
            is_empty=is_empty,
            is_endless=is_endless,
        )
        answer: dict[str, object] = {
            "jobs": [self._describe(job, moment_ms, is_listed=True) for job in jobs]
        }
        if token:
            answer["nextPaginationToken"] = token
        return answer

    def read_model(self, model_id: str) -> dict[str, object]:
        """``GET /models/{id}``.

        Raises:
            Refused: 404.
        """
        if model_id not in self.models:
            raise not_found("Model", model_id)
        return {"model": self.models[model_id].record}

    def defaults_of(self, model_id: str) -> dict[str, object]:
        """The defaults of a model's inputs; empty for an unknown model."""
        model = self.models.get(model_id)
        if model is None:
            return {}
        return {
            item.name: item.rules["default"]
            for item in model.inputs
            if "default" in item.rules
        }

    def read_counters(self) -> dict[str, object]:
        """What the emulator's owner may know; see :class:`Counters` for the counters.

        ``jobs_made``, the charges and ``uploads`` count earlier starts too.
        """
        now_ms = self.store.advance()
        custom = [
            job for job in self.store.jobs if job.job_type == "custom" and job.is_ours
        ]
        statuses: dict[str, int] = {}
        for job in custom:
            status = job.status_at(now_ms)
            statuses[status] = statuses.get(status, 0) + 1
        return {
            "seed": self.profile.seed,
            "jobs_made": len(custom),
            "jobs_by_status": statuses,
            "in_flight": self.store.in_flight,
            "charged_cu": tidy(self.account.charged_cu),
            "refunded_cu": tidy(self.account.refunded_cu),
            "uploads": self.assets.upload_count,
            **self.counters.as_json(),
        }

    # --- jobs -------------------------------------------------------------------

    def _make_job(
        self,
        now_ms: int,
        model: ModelRecord,
        checked: CheckedInputs,
        price: Price,
        author_id: str,
    ) -> EmulatedJob:
        profile = self.profile
        number = self.store.next_number
        chance = random_of(profile.seed, "job", number)
        inputs = checked.accepted
        outcome = decide_outcome(
            str(inputs.get("prompt", "")),
            wanted_outputs=self._wanted_outputs(model, inputs),
            is_first=self._latest_alike(model.model_id, inputs) is None,
            profile=profile,
            chance=chance,
        )
        if is_large_with_images(model, inputs):
            outcome = replace(
                outcome,
                status=profile.failed_status,
                outputs=0,
                error=LARGE_TEXT,
                hint=LARGE_HINT,
            )
        drawn_seed = chance.randrange(SEED_LIMIT)
        seed = inputs.get("seed", drawn_seed)
        job_id = make_id("job", profile.seed, number)
        companions = profile.companion_assets if outcome.outputs else 0
        asset_ids = [
            make_id("asset", job_id, index)
            for index in range(outcome.outputs + companions)
        ]
        times, statuses = schedule(now_ms, outcome, profile)
        job = EmulatedJob(
            number=number,
            job_id=job_id,
            job_type="custom",
            author_id=author_id,
            created_ms=now_ms,
            step_times=times,
            step_statuses=statuses,
            model_id=model.model_id,
            inputs=inputs,
            dropped=checked.dropped,
            seed=int(seed) if isinstance(seed, int | float) else drawn_seed,
            asset_ids=tuple(asset_ids),
            images=outcome.outputs,
            image_format=outcome.image_format,
            broken_assets=outcome.broken_assets,
            charged_cu=price.generation_cu,
            quality_gate_cu=price.quality_gate_cu,
            late_addon_cu=profile.late_addon_cu,
            discount_cu=price.discount_cu,
            refundable=not (
                profile.disable_refund or model.record.get("disableRefund") is True
            ),
            error=outcome.error,
            hint=outcome.hint,
        )
        self._add(job)
        for neighbour in neighbours_of(job, self.store.next_number, profile):
            self._add(neighbour)
        return job

    def _add(self, job: EmulatedJob) -> None:
        self.store.add(job)
        self._take_up(job)

    def _take_up(self, job: EmulatedJob) -> None:
        if job.job_type != "custom":
            return
        self.assets.add_outputs(job)
        if not job.is_ours:
            return
        self.gate.note_job(job.created_ms)
        digest = self._watched_digest(job.model_id, job.inputs)
        if digest:
            self._latest_by_inputs[digest] = job.number

    def _same_running_job(
        self, model_id: str, checked: CheckedInputs, now_ms: int
    ) -> EmulatedJob | None:
        number = self._latest_alike(model_id, checked.accepted)
        if number is None or not self.profile.deduplicates:
            return None
        job = self.store.jobs[number]
        return None if job.status_at(now_ms) in TERMINAL else job

    def _latest_alike(self, model_id: str, inputs: Mapping[str, object]) -> int | None:
        return self._latest_by_inputs.get(self._watched_digest(model_id, inputs))

    def _watched_digest(self, model_id: str, inputs: Mapping[str, object]) -> str:
        # Only where somebody asks, or 100,000 jobs would hold as many digests.
        if not self.profile.deduplicates and not repeats_matter(inputs.get("prompt")):
            return ""
        return canonical_digest([model_id, inputs])

    def _wanted_outputs(self, model: ModelRecord, inputs: Mapping[str, object]) -> int:
        in_a_set = self.profile.image_set_outputs
        if inputs.get("imageSetMode") is True and in_a_set is not None:
            return in_a_set
        wanted = inputs.get("numOutputs", model.default_of("numOutputs"))
        return int(wanted) if isinstance(wanted, int | float) else 1

    def _describe(
        self, job: EmulatedJob, moment_ms: int, *, is_listed: bool = False
    ) -> dict[str, object]:
        profile = self.profile
        defaults = self.defaults_of(job.model_id) if profile.echo_defaults else {}
        echo = echo_of(job, moment_ms, profile, defaults)
        if prompt_is_archived(job, moment_ms, profile):
            # From here on somebody knows its id, and may read it.
            self.assets.add_prompt(prompt_asset_id(job), job)
        return describe_job(job, moment_ms, profile, echo, is_listed=is_listed)

    # --- over a restart ---------------------------------------------------------

    def _settled_seed(
        self, profile: EmulatorProfile, records: list[dict[str, object]]
    ) -> int:
        for record in records[:1]:
            if record["kind"] == "start":
                start = record["record"]
                assert isinstance(start, dict)
                return int(start["seed"])
        seed = secrets.randbelow(SEED_LIMIT) if profile.seed is None else profile.seed
        self._journal.append("start", {"seed": seed})
        return seed

    def _restore(self, records: list[dict[str, object]]) -> None:
        for line in records:
            kind, record = line["kind"], line["record"]
            assert isinstance(record, dict)
            if kind == "job":
                job = job_of_record(record)
                self.timeline.not_before(job.created_ms)
                self.store.add(job, is_new=False)
                self._take_up(job)
            elif kind == "upload":
                self.uploads.restore(upload_of_record(record))
            elif kind == "asset":
                self.assets.add_upload(UploadedAsset(**record))


def _costs(price: Price) -> dict[str, object]:
    return {
        "creativeUnitsCost": tidy(price.total_cu),
        "creativeUnitsDiscount": tidy(price.discount_cu),
        "costDetails": price.details(),
    }
