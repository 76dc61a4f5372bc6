"""Service JSON ↔ our records; the only table from its status words to ours. Pure.

Parsing is tolerant: a field of the wrong type counts as absent, unknown fields are
ignored, and only what a record cannot do without is required.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from pipeline.api.interface import (
    JobPage,
    ModelPage,
    Quote,
    RemoteAsset,
    RemoteJob,
    RemoteStatus,
    RemoteUpload,
    Submission,
    UploadPart,
)
from pipeline.clock import parse_utc
from pipeline.errors import UnexpectedAnswer
from pipeline.job import AssetId, RemoteId

MAX_ID_LENGTH = 256
_SEEN_JOBS = 2000  # a listing repeats what changed within seconds
_FORBIDDEN_IN_IDS = frozenset(" /?#%\\")

# The last two appear only in guide pages.
_STATUSES: Mapping[str, RemoteStatus] = {
    "pending": RemoteStatus.RUNNING,
    "queued": RemoteStatus.RUNNING,
    "warming-up": RemoteStatus.RUNNING,
    "in-progress": RemoteStatus.RUNNING,
    "finalizing": RemoteStatus.RUNNING,
    "success": RemoteStatus.SUCCESS,
    "failure": RemoteStatus.FAILURE,
    "canceled": RemoteStatus.CANCELED,
    "failed": RemoteStatus.FAILURE,
    "processing": RemoteStatus.RUNNING,
}
# The service's text has no fixed form; official clients match the same words.
MODERATION_WORDS = re.compile(
    r"moderat|nsfw|sensitive content|content policy|flagged|safety system",
    re.IGNORECASE,
)
# Of refusals and of failed jobs alike; "not enough detail" is about something else.
CREDIT_WORDS = re.compile(
    r"insufficient|not enough (?:\w+ )?(?:credits?|units|funds|balance)|\bcredits\b"
    r"|credit (?:limit|balance)|out of credit|no credit|quota"
    r"|(?:compute|creative) units",
    re.IGNORECASE,
)
MAIN_ACTION = "custom-generation"  # in ``costDetails``; the others are add-ons
_ERROR_KEYS = ("error", "errorMessage", "failureReason", "reason")
TERMINAL_STATUSES = ("success", "failure", "canceled")
_TOO_MANY_UNITS = Decimal(10) ** 15  # not a price; sums of such numbers can overflow


def split_url(url: str) -> SplitResult:
    """The parts of a URL; all empty if it is not valid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def parse_json(body: bytes) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        UnexpectedAnswer: Not JSON, or not an object.
    """
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:  # msgspec's own, and bad UTF-8
        raise UnexpectedAnswer(
            f"the service's answer is not JSON: {_excerpt(body)}"
        ) from error
    if not isinstance(value, dict):
        raise UnexpectedAnswer(
            f"the service's answer is not an object: {_excerpt(body)}"
        )
    return value


def encode_json(value: object) -> bytes:
    """A request body."""
    return msgspec.json.encode(value)


def is_safe_id(text: object) -> bool:
    """Whether an id from the service may become part of a URL."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_ID_LENGTH
        and text.isprintable()  # the plain one is the only printable space
        and _FORBIDDEN_IN_IDS.isdisjoint(text)
        and text not in {".", ".."}
    )


def parse_submission(answer: Mapping[str, Any]) -> Submission:
    """The answer to a submit.

    Raises:
        UnexpectedAnswer: It has no usable job id.
    """
    return Submission(
        job=parse_job(_mapping(answer.get("job"))),
        charged=parse_charge(answer.get("creativeUnitsCost")),
        addons=_addons(answer.get("costDetails")),
    )


def parse_quote(answer: Mapping[str, Any]) -> Quote | None:
    """The answer to a dry run; None if it names no price."""
    units = units_from_json(answer.get("creativeUnitsCost"))
    if units is None or units < 0:
        return None
    return Quote(units=abs(units), addons=_addons(answer.get("costDetails")))


def find_job_id(answer: Mapping[str, Any]) -> RemoteId | None:
    """The id of the job that an answer names, or None."""
    job = _mapping(answer.get("job"))
    remote_id = job.get("jobId") or job.get("id")
    return RemoteId(str(remote_id)) if is_safe_id(remote_id) else None


def names_job(answer: Mapping[str, Any]) -> bool:
    """Whether an answer names a job, with a usable id or not."""
    job = _mapping(answer.get("job"))
    return bool(job.get("jobId") or job.get("id"))


def parse_model_record(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record in the answer to a read of one model.

    Raises:
        UnexpectedAnswer: There is none.
    """
    record = answer.get("model")
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise UnexpectedAnswer("the service's answer contains no model")
    return record


def parse_model_page(answer: Mapping[str, Any]) -> ModelPage:
    """One page of a list of models; records without an id are skipped.

    Raises:
        UnexpectedAnswer: There is no list of models.
    """
    records = answer.get("models")
    if not isinstance(records, list):
        raise UnexpectedAnswer("the service's answer contains no list of models")
    return ModelPage(
        records=tuple(
            record
            for record in records
            if isinstance(record, dict) and is_safe_id(record.get("id"))
        ),
        next_token=_string(answer.get("nextPaginationToken")),
    )


def parse_job_answer(answer: Mapping[str, Any]) -> RemoteJob:
    """The answer to a read of one job.

    Raises:
        UnexpectedAnswer: It has no usable job id.
    """
    return parse_job(_mapping(answer.get("job")))


def parse_job(record: Mapping[str, Any]) -> RemoteJob:
    """One job record.

    Raises:
        UnexpectedAnswer: It has no usable job id.
    """
    remote_id = record.get("jobId") or record.get("id")
    if not isinstance(remote_id, str) or not is_safe_id(remote_id):
        raise UnexpectedAnswer("the service's answer names no job id")
    metadata = _mapping(record.get("metadata"))
    asset_ids = _sequence(metadata.get("assetIds"))
    inputs = dict(_mapping(metadata.get("input")))
    model_id = inputs.pop("modelId", "")
    status_text = _string(record.get("status"))
    billing = _mapping(record.get("billing"))
    main = parse_charge(billing.get("cuCost"))
    addons = _addons(billing.get("cuCostDetails"))
    # An unknown word together with assets means success.
    unknown = RemoteStatus.SUCCESS if asset_ids else RemoteStatus.RUNNING
    return RemoteJob(
        remote_id=RemoteId(remote_id),
        job_type=_string(record.get("jobType")),
        is_child=bool(metadata.get("workflowJobId")),
        status=_STATUSES.get(status_text, unknown),
        status_text=status_text,
        created_at=parse_time(record.get("createdAt")),
        updated_at=parse_time(record.get("updatedAt")),
        author_id=_string(record.get("authorId")),
        owner_id=_project_of(record.get("ownerId")),
        model_id=_string(model_id),
        inputs=inputs,
        asset_ids=tuple(AssetId(name) for name in asset_ids if is_safe_id(name)),
        output=metadata.get("output") or None,
        error=_first_text(metadata.get("error"), *map(record.get, _ERROR_KEYS)),
        hint=_string(metadata.get("hint")),
        charged=None if main is None else sum(addons.values(), main),
        addons=addons,
        discount=parse_charge(billing.get("cuDiscount")) or Decimal(0),
        refunds=billing.get("disableRefund") is not True,
    )


def _project_of(owner: object) -> str:
    """The owner's id if it is a project; the owner may also be a team or a person."""
    is_project = is_safe_id(owner) and str(owner).startswith("proj_")
    return str(owner) if is_project else ""


class SeenJobs:
    """A cache of job records: a listing mostly repeats itself."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Mapping[str, Any], RemoteJob]] = {}

    def parse(self, record: Mapping[str, Any]) -> RemoteJob:
        """Like :func:`parse_job`, but returns the same object for the same record."""
        remote_id = str(record.get("jobId") or record.get("id"))
        seen = self._seen.get(remote_id)
        if seen is not None and seen[0] == record:
            return seen[1]
        job = parse_job(record)
        if len(self._seen) >= _SEEN_JOBS:
            self._seen.clear()
        self._seen[remote_id] = (record, job)
        return job


def parse_job_page(
    answer: Mapping[str, Any],
    parse: Callable[[Mapping[str, Any]], RemoteJob] = parse_job,
) -> JobPage:
    """One page of a listing; records without an id are skipped.

    Args:
        answer: The answer of the service.
        parse: Parses one record: :func:`parse_job` or that of :class:`SeenJobs`.

    Raises:
        UnexpectedAnswer: There is no list of jobs.
    """
    records = answer.get("jobs")
    if not isinstance(records, list):
        raise UnexpectedAnswer("the service's answer contains no list of jobs")
    jobs = [
        parse(record)
        for record in records
        if isinstance(record, dict)
        and is_safe_id(record.get("jobId") or record.get("id"))
    ]
    return JobPage(
        jobs=tuple(jobs), next_token=_string(answer.get("nextPaginationToken"))
    )


def parse_asset_answer(answer: Mapping[str, Any]) -> RemoteAsset:
    """The answer to a read or an upload of one asset.

    Raises:
        UnexpectedAnswer: It has no usable asset id.
    """
    return parse_asset(_mapping(answer.get("asset")))


def parse_asset(record: Mapping[str, Any]) -> RemoteAsset:
    """One asset record.

    Raises:
        UnexpectedAnswer: It has no usable asset id.
    """
    asset_id = record.get("id")
    if not isinstance(asset_id, str) or not is_safe_id(asset_id):
        raise UnexpectedAnswer("the service's answer names no asset id")
    size = _mapping(record.get("properties")).get("size")
    status = _string(record.get("status"))
    url = _string(record.get("url"))
    return RemoteAsset(
        asset_id=AssetId(asset_id),
        url=url,
        # A missing status is taken as ready: the field is required, and a wrong guess
        # is free.
        is_ready=bool(url) and status in {"success", ""},
        has_failed=status == "error",
        media_type=_string(record.get("mimeType")),
        kind=_string(record.get("kind")),
        size_bytes=size if isinstance(size, int) and size > 0 else None,
        author_id=_string(record.get("authorId")),
    )


def parse_assets(answer: Mapping[str, Any]) -> dict[AssetId, RemoteAsset]:
    """The answer to a bulk read, by id; records without an id are skipped.

    Raises:
        UnexpectedAnswer: There is no list of assets.
    """
    records = answer.get("assets")
    if not isinstance(records, list):
        raise UnexpectedAnswer("the service's answer contains no list of assets")
    assets = [
        parse_asset(record)
        for record in records
        if isinstance(record, dict) and is_safe_id(record.get("id"))
    ]
    return {asset.asset_id: asset for asset in assets}


def parse_upload(answer: Mapping[str, Any]) -> RemoteUpload:
    """The answer to a call about a multipart upload.

    Raises:
        UnexpectedAnswer: It has no usable upload id.
    """
    record = _mapping(answer.get("upload"))
    upload_id = record.get("id")
    if not isinstance(upload_id, str) or not is_safe_id(upload_id):
        raise UnexpectedAnswer("the service's answer names no upload id")
    entity_id = record.get("entityId")
    parts = [
        UploadPart(number=part["number"], url=part["url"])
        for part in map(_mapping, _sequence(record.get("parts")))
        if isinstance(part.get("number"), int) and isinstance(part.get("url"), str)
    ]
    return RemoteUpload(
        upload_id=upload_id,
        status=_string(record.get("status")),
        asset_id=AssetId(entity_id)
        if isinstance(entity_id, str) and is_safe_id(entity_id)
        else None,
        parts=tuple(sorted(parts, key=lambda part: part.number)),
        error=_string(record.get("errorMessage")),
    )


def parse_team_ids(answer: Mapping[str, Any]) -> list[str]:
    """The ids of the teams that the key can see."""
    teams = map(_mapping, _sequence(answer.get("teams")))
    ids = [_first_text(team.get("id"), team.get("teamId")) for team in teams]
    return [team_id for team_id in ids if is_safe_id(team_id)]


def parse_project_id(answer: Mapping[str, Any]) -> str:
    """The project that the key can see; "" if it sees none or several."""
    found = {
        _first_text(project.get("id"), project.get("projectId"))
        for team in map(_mapping, _sequence(answer.get("teams")))
        for project in map(_mapping, _sequence(team.get("projects")))
    }
    project_id = found.pop() if len(found) == 1 else ""
    return project_id if is_safe_id(project_id) else ""


def parse_ceiling(answer: Mapping[str, Any]) -> int | None:
    """``limits.parallelCustomJobs`` if it is a positive whole number."""
    ceiling = _mapping(answer.get("limits")).get("parallelCustomJobs")
    if isinstance(ceiling, int) and not isinstance(ceiling, bool) and ceiling > 0:
        return ceiling
    return None


def parse_units_left(answer: Mapping[str, Any]) -> Decimal | None:
    """Unused units of the period and of one-time purchases; None if not given."""
    granted = units_from_json(_mapping(answer.get("limits")).get("creativeUnits"))
    used = units_from_json(_mapping(answer.get("values")).get("creativeUnits"))
    if granted is None or used is None:
        return None
    bought = [
        units_from_json(purchase.get("remaining")) or Decimal(0)
        for purchase in map(_mapping, _sequence(answer.get("oneShotCreativeUnits")))
    ]
    return granted - used + sum(bought, Decimal(0))


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 date, or None."""
    return _time_of(value) if isinstance(value, str) else None


@lru_cache(maxsize=_SEEN_JOBS)  # a job's creation time comes with each change
def _time_of(text: str) -> datetime | None:
    try:
        return parse_utc(text)
    except ValueError:
        return None


def units_from_json(value: object) -> Decimal | None:
    """Compute units as an exact decimal, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return _units_of(str(value))


@lru_cache(maxsize=1000)  # there are few prices
def _units_of(text: str) -> Decimal | None:
    try:
        units = Decimal(text)
    except InvalidOperation:
        return None
    return units if units.is_finite() and abs(units) < _TOO_MANY_UNITS else None


def parse_charge(value: object) -> Decimal | None:
    """Compute units that were charged, or None; a charge is never negative."""
    units = units_from_json(value)
    return None if units is None or units < 0 else units


def _addons(details: object) -> dict[str, Decimal]:
    return {
        name: units
        for name, value in _mapping(details).items()
        if name != MAIN_ACTION and (units := units_from_json(value)) and units > 0
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first_text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:200].decode("utf-8", "replace").split())
    return repr(text[:120]) if text else "an empty body"
