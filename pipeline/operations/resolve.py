"""Resolve: records the user's decision about an unsure submit in the ledger.

To help with the decision, it lists the jobs that the submit may have made.
"""

import os
from enum import StrEnum
from pathlib import Path

from pipeline.activity import Activity
from pipeline.api.echo import echo_difference
from pipeline.api.interface import GenerationApi, RemoteJob
from pipeline.api.wire import is_safe_id
from pipeline.clock import SystemClock
from pipeline.errors import UsageError
from pipeline.job import (
    Failure,
    FailureClass,
    Job,
    JobStatus,
    RemoteId,
)
from pipeline.ledger.ledger import Ledger
from pipeline.operations.connection import connected, service_of
from pipeline.output.folder import holding_output, open_for_reading
from pipeline.record import Struct, replace
from pipeline.running.recovery import next_attempt
from pipeline.settings import Settings
from pipeline.stages.identity import Identity
from pipeline.stages.reading import JobReader, sent_of


class Candidate(Struct, frozen=True, kw_only=True):
    """An unowned job that an unsure submit may have made.

    Attributes:
        remote: The job as the service lists it.
        differs_in: Inputs that it shows with another value than was sent.
    """

    remote: RemoteJob
    differs_in: tuple[str, ...]


class Resolution(StrEnum):
    """The user's decision about an unsure submit."""

    ADOPT = "adopt"  # this job belongs to the item
    RESUBMIT = "resubmit"  # there is no job, or none worth waiting for
    GIVE_UP = "give-up"  # the item is no longer needed


async def resolve(
    output: Path,
    item_id: str,
    resolution: Resolution,
    activity: Activity,
    *,
    remote_id: str,
    emulate: bool,
) -> Job:
    """Record a decision about the newest attempt of an item.

    Args:
        output: The output folder; no run may be in progress in it.
        item_id: The item.
        resolution: The decision.
        activity: Is told what is done, to be shown.
        remote_id: With ADOPT: the job, which is checked with the service.
        emulate: Whether the output folder belongs to the emulator.

    Returns:
        The job as recorded in the ledger.

    Raises:
        UsageError: The item is not unsure, or the job does not exist or does not fit.
        LedgerBusy: A run is in progress in the folder.
    """
    with open_for_reading(output) as ledger:
        _find_unsure(ledger, item_id)  # before credentials are read
    service, credentials = service_of(os.environ, emulate=emulate)
    with holding_output(output, service) as (ledger, _):
        job = _find_unsure(ledger, item_id)
        match resolution:
            case Resolution.ADOPT:
                async with connected(
                    credentials, Settings(), SystemClock(), output, activity=activity
                ) as (api, _transfer):
                    return await _adopt(ledger, job, RemoteId(remote_id), api)
            case Resolution.RESUBMIT:
                reason = "resubmitted by the user"
                if job.status is JobStatus.FAILED:
                    job = next_attempt(job, ledger)
                # Without the mark, no job of the earlier submit is adopted.
                failure = Failure(kind=None, reason=reason)
                return ledger.record_planned(
                    replace(job, mark_id=None, failure=failure)
                )
            case Resolution.GIVE_UP:
                failure = Failure(
                    kind=FailureClass.GIVEN_UP, reason="given up by the user"
                )
                if job.status is JobStatus.FAILED:
                    job = next_attempt(job, ledger)
                return ledger.record_failed(replace(job, failure=failure))


async def find_candidates(
    output: Path, item_id: str, activity: Activity, *, emulate: bool
) -> tuple[Job, list[Candidate]]:
    """The unsure attempt of an item, and the jobs that it may have made.

    Args:
        output: The output folder; a run may be in progress in it.
        item_id: The item.
        activity: As for :func:`resolve`.
        emulate: Whether the output folder belongs to the emulator.

    Returns:
        The attempt, and the candidates with the best first. If the attempt's job is
        known, there are no candidates.

    Raises:
        UsageError: The item is not unsure.
        Unavailable, AccessDenied: The service does not show its job list.
    """
    with open_for_reading(output) as ledger:
        _find_unsure(ledger, item_id)  # before credentials are read
    service, credentials = service_of(os.environ, emulate=emulate)
    with open_for_reading(output, service=service) as ledger:
        job = _find_unsure(ledger, item_id)
        if job.remote_id is not None:
            return job, []
        activity.begin("reading the service's job list")
        async with connected(
            credentials, Settings(), SystemClock(), output, activity=activity
        ) as (api, _):
            identity = Identity(
                service, key_digest=credentials.key_digest if credentials else ""
            )
            reader = JobReader(api, ledger, identity)
            sent = sent_of(job, ledger)
            reading = await reader.read(sent.since)
        found = [
            (reader.compare(job, remote), remote)
            for remote in reading.unowned
            if reader.may_come_of(sent, remote)
        ]
    found.sort(key=lambda pair: (len(pair[0].contradicted), -pair[0].score))
    return job, [
        Candidate(remote=remote, differs_in=tuple(sorted(agreement.contradicted)))
        for agreement, remote in found
    ]


async def find_link(
    output: Path, remote_id: str, activity: Activity, *, emulate: bool
) -> str | None:
    """A signed link to the first output of a job, or None while there is none.

    Anyone with the link can see the picture until the link expires.

    Raises:
        UsageError: The service does not know the job.
    """
    _, credentials = service_of(os.environ, emulate=emulate)
    async with connected(
        credentials, Settings(), SystemClock(), output, activity=activity
    ) as (api, _):
        job = await _find_remote(api, RemoteId(remote_id))
        if not job.asset_ids:
            return None
        asset = await api.find_asset(job.asset_ids[0])
    return None if asset is None else asset.url or None


async def _find_remote(api: GenerationApi, remote_id: RemoteId) -> RemoteJob:
    remote = await api.find_job(remote_id) if is_safe_id(remote_id) else None
    if remote is None:
        raise UsageError(
            f"the service does not know job {remote_id}",
            hint="check the id and SCENARIO_PROJECT_ID",
        )
    return remote


async def _adopt(
    ledger: Ledger, job: Job, remote_id: RemoteId, api: GenerationApi
) -> Job:
    if ledger.find_owned([remote_id]):
        raise UsageError(f"job {remote_id} already belongs to an item of this ledger")
    remote = await _find_remote(api, remote_id)
    if remote.model_id and remote.model_id != job.model_id:
        raise UsageError(
            f"job {remote_id} was made with model {remote.model_id}, not {job.model_id}"
        )
    if job.status is JobStatus.SUBMITTING:
        job = ledger.record_unknown(job)
    return ledger.record_submitted(
        replace(
            job,
            remote_id=remote_id,
            author_id=remote.author_id,
            charged=remote.charged,
            submitted_at=remote.created_at or api.service_now(),
            echo=echo_difference(job.request or {}, remote.inputs),
            failure=None,
        )
    )


def _find_unsure(ledger: Ledger, item_id: str) -> Job:
    attempts = ledger.find_jobs_of(item_id)
    if not attempts:
        raise UsageError(
            f"nothing has ever been submitted for item {item_id!r}",
            hint="pipeline status lists the unsure items",
        )
    job = attempts[0]
    if job.is_unsure:
        return job
    raise UsageError(
        f"item {item_id} is {job.status}: there is nothing to decide",
        hint="pipeline resolve is for items that are unknown, timed out or lost",
    )
