"""How jobs are shown, in the list and by their ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingProfile:
    """Which jobs a client can see, when, and what their records say.

    Attributes:
        keys_share_jobs: A key can see the jobs that other keys have made.
        hidden_job_s: For so long, a new job's id gets 404.
        job_retention_s: After so long, ``GET /jobs/{id}`` gets 404. None is never.
        list_lag_s: The list shows the jobs as they were so long ago.
        list_retention_s: The list leaves out jobs older than this. None is never.
        list_newest_first: The order of the list.
        page_cap: The most jobs on one page, whatever ``pageSize`` asks for.

        job_id_key: The key of a job's id. A guide has ``id``.
        heartbeat_s: How often ``updatedAt`` of a running job moves. 0 moves it only
            when the status changes.
        failure_field: Where a failed job has its reason: in ``metadata.error``, or
            under a key of the job itself such as ``errorMessage``.
        asset_ids_delay_s: How long after ``success`` a job's ``assetIds`` appear.
        list_omits_asset_ids: The list never shows ``assetIds``; a read by id does.

        echo_delay_s: How long after the submit ``metadata.input`` stays empty.
        echo_omits: Inputs that the echo leaves out.
        echo_changes: Inputs that the echo shows with another value.
        echo_defaults: The echo shows the defaults of inputs that were not sent.
        echo_dropped: The echo shows inputs that were dropped.
        echo_seed: How the echo shows the seed: as a ``number``, as ``text``, as a
            ``float``, ``clamped`` to 65535, or ``replaced`` by another seed.
        echo_prompt: How the echo shows the prompt: the ``same``, ``trimmed``, in the
            Unicode form ``nfc``, or ``rewritten``.
        echo_size_sign: The sign between width and height in the echo of ``size``.
        prompt_archived_s: How long after the submit the echo replaces the prompt with
            the id of a text asset. None is never.
    """

    keys_share_jobs: bool = True
    hidden_job_s: float = 0.0
    job_retention_s: float | None = None
    list_lag_s: float = 0.0
    list_retention_s: float | None = None
    list_newest_first: bool = True
    page_cap: int = 100

    job_id_key: str = "jobId"
    heartbeat_s: float = 0.0
    failure_field: str = "metadata.error"
    asset_ids_delay_s: float = 0.0
    list_omits_asset_ids: bool = False

    echo_delay_s: float = 0.0
    echo_omits: tuple[str, ...] = ()
    echo_changes: Mapping[str, object] = field(default_factory=dict)
    echo_defaults: bool = False
    echo_dropped: bool = False
    echo_seed: str = "number"
    echo_prompt: str = "same"
    echo_size_sign: str = "*"
    prompt_archived_s: float | None = DAY_S
