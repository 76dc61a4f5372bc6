"""The records that travel: Item, Job, Asset, and the life of a job.

Pure data. ``manifest`` makes Items, ``plan`` makes Jobs of them, the stages take
a Job and give back a later one, ``ledger`` remembers it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NewType

JobKey = NewType("JobKey", str)
RemoteId = NewType("RemoteId", str)
AssetId = NewType("AssetId", str)

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceAsset:
    """An input file that the service must hold before a job can name it.

    Attributes:
        name: How the manifest calls it: the key under ``references``, or the path.
        path: Absolute path of the file.
        sha256: Hex digest of its content.
        size_bytes: Its size, at least 1.
        media_type: By content, such as ``image/png``.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    media_type: str


ParamValue = JsonValue | ReferenceAsset | list["ParamValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of an expanded manifest.

    Attributes:
        item_id: Unique in the manifest; also the file name, folders by ``/``.
        model_id: The service's id of the model.
        params: The model's inputs by the service's names, as they will be sent,
            but for ReferenceAssets, which become asset ids. Without a derived seed.
        template_id: The ``id`` as written, ``tree-${biome}``; groups an expansion.
        file: Where it is written, as the user gave the path.
        line: In ``file``, from 1.
        parents: Ids of items whose outputs it uses; they have to end first.
    """

    item_id: str
    model_id: str
    params: Mapping[str, ParamValue]
    template_id: str
    file: str
    line: int
    parents: tuple[str, ...] = ()


class JobStatus(StrEnum):
    """Where a job is in its life; see ``LEGAL_TRANSITIONS``."""

    PLANNED = "planned"  # nothing has been sent, or what was sent was refused unpaid
    SUBMITTING = "submitting"  # the intent is durable, the request may have left
    SUBMITTED = "submitted"  # the service has given an id: paid for
    SUCCEEDED = "succeeded"  # the service has made the assets
    SAVED = "saved"  # verified files and sidecars are in place
    FAILED = "failed"  # ended without an asset; the reason says why
    UNKNOWN = "unknown"  # sent, and the answer is lost: it may have been paid for


LEGAL_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PLANNED: frozenset({JobStatus.SUBMITTING, JobStatus.FAILED}),
    JobStatus.SUBMITTING: frozenset(
        {
            JobStatus.PLANNED,
            JobStatus.SUBMITTED,
            JobStatus.FAILED,
            JobStatus.UNKNOWN,
        }
    ),
    JobStatus.SUBMITTED: frozenset(
        # UNKNOWN: a late answer of another submit claims the job that was adopted.
        {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.UNKNOWN}
    ),
    JobStatus.SUCCEEDED: frozenset({JobStatus.SAVED, JobStatus.FAILED}),
    # SUCCEEDED: the file is gone or damaged and is fetched again, free of charge.
    JobStatus.SAVED: frozenset({JobStatus.SUCCEEDED}),
    # SUBMITTED: a job that outlived its deadline is looked at again.
    JobStatus.FAILED: frozenset({JobStatus.SUBMITTED}),
    JobStatus.UNKNOWN: frozenset(
        {JobStatus.SUBMITTED, JobStatus.PLANNED, JobStatus.FAILED}
    ),
}


class FailureClass(StrEnum):
    """Why a job failed, as far as it decides what a later run does."""

    REFUSED = "refused"  # final: the same request would be refused again
    MODERATED = "moderated"  # final after the second time
    GENERATION = "generation"  # the service tried and failed
    NO_OUTPUT = "no_output"  # success without assets
    TIMED_OUT = "timed_out"  # runs past its deadline: looked at again, never resent
    LOST = "lost"  # the service no longer knows the job
    DOWNLOAD = "download"  # made and paid for; only the file is missing
    LOCAL = "local"  # a reference file could not be read or uploaded
    GIVEN_UP = "given_up"  # the user's decision
