"""The whole service behind its routes: no network and no waiting, on a given clock.

It takes requests that have been read and returns the objects to send. Nothing happens
between calls: each call first brings the state up to the present moment. Files are left
to ``gallery``, and HTTP to ``web``.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.clock import Clock
from pipeline.emulator.account import Account
from pipeline.emulator.answer import Answer
from pipeline.emulator.asset_contents import AssetContents
from pipeline.emulator.asset_importer import AssetImporter
from pipeline.emulator.asset_view import AssetView
from pipeline.emulator.assets import Assets, UploadedAsset
from pipeline.emulator.counters import Counters
from pipeline.emulator.gate import Gate
from pipeline.emulator.job_index import JobIndex
from pipeline.emulator.job_listing import JobListing
from pipeline.emulator.job_maker import SEED_LIMIT, JobMaker
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.job_view import JobView
from pipeline.emulator.jobs import job_of_record
from pipeline.emulator.journal import FileStore, Journal
from pipeline.emulator.model_records import ModelRecord, load_models
from pipeline.emulator.pricing import tidy
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import bad_request, not_found
from pipeline.emulator.submissions import Submissions
from pipeline.emulator.timeline import Timeline, span_ms
from pipeline.emulator.upload import upload_of_record
from pipeline.emulator.uploads import Uploads

CANNOT_CANCEL = "Cannot cancel this type of job. Action not permitted."


class EmulatedService:
    """The jobs, assets, uploads, models and credits of one team.

    Args:
        profile: How the service behaves.
        clock: The source of the time.
        state_file: The journal of everything that must survive a restart. Uploaded
            files are kept in a folder next to it. None keeps everything in memory.

    Raises:
        OSError: The state file cannot be used.
        ValueError: The state file is damaged.
    """

    def __init__(
        self, profile: EmulatorProfile, clock: Clock, state_file: Path | None = None
    ) -> None:
        self._journal = Journal(state_file)
        records = list(self._journal.load_records())
        self.seed = self._find_seed(profile.seed, records)
        self.profile = replace(profile, seed=self.seed)
        self.timeline = Timeline(clock)
        self.counters = Counters()
        self.account = Account(profile.limits, profile.money)
        folder = (
            state_file.with_name(f"{state_file.name}.files") if state_file else None
        )
        self.files = FileStore(folder)
        self.models: dict[str, ModelRecord] = load_models(profile.jobs, profile.money)
        self.store = JobStore(
            JobIndex(span_ms(profile.listing.heartbeat_s)),
            self.timeline,
            self.account,
            self.counters,
            self._journal,
            finalizing_counts=profile.limits.finalizing_counts,
            partial_refunded=profile.money.partial_refunded,
        )
        self.assets = Assets(profile.assets, lambda number: self.store.jobs[number])
        self.contents = AssetContents(
            profile.assets, profile.jobs.image_format, self.assets, self.find_model
        )
        self.asset_view = AssetView(
            profile.assets, self.assets, self.contents, self.find_model
        )
        importer = AssetImporter(
            self.assets,
            self.files,
            self._journal,
            seed=self.seed,
            validates=profile.uploads.upload_validates,
            deduplicates=profile.uploads.upload_deduplicates,
        )
        self.uploads = Uploads(
            profile.uploads,
            self.store,
            importer,
            self.files,
            self._journal,
            seed=self.seed,
            failed_status=profile.jobs.failed_status,
        )
        self.gate = Gate(profile.limits, self.store, self.account)
        self.job_view = JobView(profile.listing, self.assets, self.find_model)
        self.submissions = Submissions(
            jobs=profile.jobs,
            money=profile.money,
            models=self.models,
            gate=self.gate,
            maker=JobMaker(self.seed, profile.jobs, profile.money, self.contents),
            store=self.store,
            assets=self.assets,
            view=self.job_view,
            counters=self.counters,
        )
        self._listing = JobListing(profile.listing, self.store, self.seed)
        self._restore(records)

    def close(self) -> None:
        """Close the state file."""
        self._journal.close()

    def submit(
        self, model_id: str, body: object, author_id: str, *, is_quote: bool = False
    ) -> Answer:
        """``POST /generate/custom/{modelId}``; see :meth:`Submissions.submit`.

        Raises:
            Refused: No job was made.
        """
        return self.submissions.submit(model_id, body, author_id, is_quote=is_quote)

    def read_job(self, job_id: str, reader_id: str = "") -> dict[str, object]:
        """``GET /jobs/{id}``.

        Args:
            job_id: Any id.
            reader_id: The author who asks; "" may see every job.

        Raises:
            Refused: 404: the job is unknown, too new, too old, or hidden from this
                reader.
        """
        now_ms = self.store.advance()
        job = self._listing.find(job_id, now_ms, reader_id)
        return {"job": self.job_view.describe(job, now_ms)}

    def act_on_job(self, job_id: str, body: object) -> dict[str, object]:
        """``POST /jobs/{id}/action``. No job of these types can be canceled.

        Raises:
            Refused: Always.
        """
        self._listing.find(job_id, self.store.advance())
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
        """``GET /jobs``; the arguments are those of :meth:`JobListing.page`.

        Raises:
            Refused: 400 for values and combinations that are not allowed.
        """
        page = self._listing.page(
            query,
            self.store.advance(),
            reader_id=reader_id,
            is_empty=is_empty,
            is_endless=is_endless,
        )
        answer: dict[str, object] = {
            "jobs": [
                self.job_view.describe(job, page.moment_ms, is_listed=True)
                for job in page.jobs
            ]
        }
        if page.token:
            answer["nextPaginationToken"] = page.token
        return answer

    def read_model(self, model_id: str) -> dict[str, object]:
        """``GET /models/{id}``.

        Raises:
            Refused: 404.
        """
        if model_id not in self.models:
            raise not_found("Model", model_id)
        return {"model": self.models[model_id].record}

    def find_model(self, model_id: str) -> ModelRecord:
        """The record of a model; an empty one for an unknown model."""
        return self.models.get(model_id) or ModelRecord(model_id=model_id)

    def read_counters(self) -> dict[str, object]:
        """What the emulator's owner may know; see also :class:`Counters`.

        The jobs, the charges and the uploads of earlier starts are counted too.
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
            "seed": self.seed,
            "jobs_made": len(custom),
            "jobs_by_status": statuses,
            "in_flight": self.store.in_flight,
            "charged_cu": tidy(self.account.charged_cu),
            "refunded_cu": tidy(self.account.refunded_cu),
            "uploads": self.assets.upload_count,
            **self.counters.as_json(),
        }

    # --- over a restart ---------------------------------------------------------

    def _find_seed(self, wanted: int | None, records: list[dict[str, object]]) -> int:
        for record in records[:1]:
            if record["kind"] == "start":
                start = record["record"]
                assert isinstance(start, dict)
                return int(start["seed"])
        seed = secrets.randbelow(SEED_LIMIT) if wanted is None else wanted
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
                self.submissions.take_up(job)
            elif kind == "upload":
                self.uploads.restore(upload_of_record(record))
            elif kind == "asset":
                self.assets.add_upload(UploadedAsset(**record))
