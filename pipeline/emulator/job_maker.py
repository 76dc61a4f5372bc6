"""Makes the jobs of accepted submits, and knows which of them repeat another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pipeline.emulator.asset_contents import AssetContents
from pipeline.emulator.identity import canonical_digest, make_id, random_of
from pipeline.emulator.jobs import EmulatedJob, schedule
from pipeline.emulator.model_records import ModelRecord
from pipeline.emulator.neighbours import neighbours_of
from pipeline.emulator.outcomes import (
    LARGE_HINT,
    LARGE_TEXT,
    OUTSIZE_HINT,
    OUTSIZE_TEXT,
    UNREADABLE_HINT,
    UNREADABLE_TEXT,
    Outcome,
    decide_outcome,
    has_own_time,
    repeats_matter,
)
from pipeline.emulator.outputs import IMAGE_TOOLS
from pipeline.emulator.pricing import Price
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile
from pipeline.emulator.validation import CheckedInputs, is_large_with_images

SEED_LIMIT = 2**31


class JobMaker:
    """Decides what becomes of each submit.

    Args:
        seed: The emulator's seed.
        jobs: Outcomes and durations.
        money: Charges and refunds.
        contents: What the assets contain that jobs are made from.
    """

    def __init__(
        self,
        seed: int,
        jobs: JobsProfile,
        money: MoneyProfile,
        contents: AssetContents,
    ) -> None:
        self._seed = seed
        self._jobs = jobs
        self._money = money
        self._contents = contents
        self._latest_by_inputs: dict[str, int] = {}

    def make(
        self,
        number: int,
        now_ms: int,
        model: ModelRecord,
        checked: CheckedInputs,
        price: Price,
        *,
        author_id: str,
        script: str,
    ) -> Iterator[EmulatedJob]:
        """The job of a submit, and then the jobs that appear next to it.

        Args:
            number: The number of the new job.
            now_ms: When it was submitted.
            model: Its model.
            checked: Its inputs.
            price: What it is charged.
            author_id: Who submitted it.
            script: The markers that apply to it.
        """
        chance = random_of(self._seed, "job", number)
        inputs = checked.accepted
        outcome = decide_outcome(
            script,
            wanted_outputs=self._wanted_outputs(model, inputs),
            is_first=self.latest_alike(model.model_id, inputs, script) is None,
            jobs=self._jobs,
            chance=chance,
        )
        outcome = self._spoiled(outcome, model, inputs)
        life_s = outcome.life_s * (
            1 if has_own_time(script) else model.traits.time_factor
        )
        outcome = replace(outcome, life_s=life_s)
        drawn_seed = chance.randrange(SEED_LIMIT)
        seed = inputs.get("seed", drawn_seed)
        job_id = make_id("job", self._seed, number)
        companions = self._jobs.companion_assets if outcome.outputs else 0
        times, statuses = schedule(now_ms, outcome, self._jobs.status_path)
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
            shows_seed=model.shows_seed,
            script=script,
            asset_ids=tuple(
                make_id("asset", job_id, index)
                for index in range(outcome.outputs + companions)
            ),
            companions=companions,
            answer="" if "[no-output]" in script else self._answer(model, inputs),
            image_format=outcome.image_format,
            broken_assets=outcome.broken_assets,
            charged_cu=price.generation_cu,
            quality_gate_cu=price.quality_gate_cu,
            late_addon_cu=self._money.late_addon_cu,
            discount_cu=price.discount_cu,
            refundable=not (
                self._money.disable_refund or model.record.get("disableRefund") is True
            ),
            error=outcome.error,
            hint=outcome.hint,
        )
        yield job
        yield from neighbours_of(job, number + 1, self._jobs, self._seed)

    def note(self, job: EmulatedJob) -> None:
        """Remember a job as the latest one with its inputs."""
        digest = self._digest_to_watch(job.model_id, job.inputs, job.script)
        if digest:
            self._latest_by_inputs[digest] = job.number

    def latest_alike(
        self, model_id: str, inputs: Mapping[str, object], script: str
    ) -> int | None:
        """The number of the latest job with these inputs.

        Jobs are only compared if their profile or their script makes it necessary;
        otherwise this is None.
        """
        digest = self._digest_to_watch(model_id, inputs, script)
        return self._latest_by_inputs.get(digest)

    def _digest_to_watch(
        self, model_id: str, inputs: Mapping[str, object], script: str
    ) -> str:
        # 100,000 jobs would otherwise keep as many digests that nobody asks for.
        if not self._jobs.deduplicates and not repeats_matter(script):
            return ""
        return canonical_digest([model_id, inputs])

    def _wanted_outputs(self, model: ModelRecord, inputs: Mapping[str, object]) -> int:
        files = len(model.traits.files)
        in_a_set = self._jobs.image_set_outputs
        if inputs.get("imageSetMode") is True and in_a_set is not None:
            return in_a_set * files
        wanted = inputs.get("numOutputs", model.defaults.get("numOutputs"))
        return files * (int(wanted) if isinstance(wanted, int | float) else 1)

    def _answer(self, model: ModelRecord, inputs: Mapping[str, object]) -> str:
        if all(output.is_asset for output in model.traits.outputs):
            return ""
        return self._contents.describe_image(model, inputs)

    def _spoiled(
        self, outcome: Outcome, model: ModelRecord, inputs: Mapping[str, object]
    ) -> Outcome:
        """The outcome, or a failure if the inputs allow nothing else."""
        needs_image = any(
            output.recipe in IMAGE_TOOLS for output in model.traits.outputs
        )
        if is_large_with_images(model, inputs):
            return self._failed(outcome, LARGE_TEXT, LARGE_HINT)
        if needs_image and not self._contents.has_image(model, inputs):
            return self._failed(outcome, UNREADABLE_TEXT, UNREADABLE_HINT)
        if self._contents.is_outsize(model, inputs):
            return self._failed(outcome, OUTSIZE_TEXT, OUTSIZE_HINT)
        return outcome

    def _failed(self, outcome: Outcome, error: str, hint: str) -> Outcome:
        return replace(
            outcome,
            status=self._jobs.failed_status,
            outputs=0,
            error=error,
            hint=hint,
        )
