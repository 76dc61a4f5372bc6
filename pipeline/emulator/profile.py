"""What nobody knows about the service, as knobs with a default for each.

Every fact that the service contract marks as a guess, and that changes what a
client must do, is one field here. A profile is data: the emulator reads it and
never changes it. Units stand in the names; ``_s`` is seconds of the emulator's
clock, ``_cu`` is Compute Units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STATUS_PATH: tuple[tuple[str, float], ...] = (
    ("queued", 0.0),
    ("warming-up", 0.1),
    ("in-progress", 0.2),
    ("finalizing", 0.9),
)

UNIT_PRICES_CU: Mapping[str, float] = {
    "model_wan-2-7-image": 6,
    "model_wan-2-7-image-pro": 12,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorProfile:
    """One set of answers to the open questions of the service contract.

    Attributes:
        seed: Fixes ids, durations, failures and faults; None draws a new one at each
            start (a state file remembers the one it was made with).

        accepted_keys: Key to secret; other pairs get 401. None accepts any pair.
        same_author: All keys are one author; else each key is an author of its own.
        keys_share_jobs: A key may see the jobs that another key has made.
        foreign_project_status: Answer to a ``projectId`` that is not ours.
        limits_status: 200 lets the key read ``/teams/{id}/limits``; 403 refuses.
        teams_status: The same for ``/teams``, ``/teams/{id}`` and ``/usages``.

        ceiling: Most custom jobs that are not terminal; None is no ceiling.
        ceiling_taken: Slots of the ceiling that somebody else's jobs hold.
        announced_ceiling: What limits and 429 say instead of the true ceiling.
        announce_ceiling: The 429 is a ``PlanLimitReachedError`` with ``details``; else
            it is the bare text.
        finalizing_counts: A job that is finalizing still holds its slot.
        quotes_need_slot: A dry run is refused while the ceiling is reached.
        retry_after_s: A ``Retry-After`` header on every 429; None is no header.
        cooldown_s: So long no submit is taken after ``cooldown_after`` of them; sooner
            is 429 with ``remainingSeconds``. 0 is no cooldown.
        cooldown_after: Submits that are taken between two cooldowns; 1 makes
            ``cooldown_s`` the least time between two submits.
        requests_per_minute: More requests on /v1 than this in any sixty seconds get a
            429 without details. None is no limit.

        credits_cu: Balance at the start; None never ends.
        credits_status: Answer when the balance would go below zero.
        key_cap_cu: Most that one key may spend; None is no cap.
        key_cap_status: Answer when the key's cap is reached: 402, 403 or 429.
        unit_prices_cu: Price of one output, by model.
        default_price_cu: Price of one output of any other model.
        reference_surcharge_cu: Added once when the job uses a file input.
        size_factors: Price factor by the value of the input ``size``.
        cost_impact: By input name, the ``costImpact`` flag in the model's record;
            without an entry the record has no such flag.
        quality_gate_cu: Added to every job for the quality gate; 0 is none.
        late_addon_cu: Charged to every job too, and named by nobody before its end:
            neither the quote nor the answer to the submit has it.
        discount_cu: Taken off every job's price.
        charge_factor: What a job is charged, as a multiple of its quote.
        disable_refund: Failed jobs stay charged.
        partial_refunded: A failed job that has made assets all the same is refunded.
        deduplicates: A submit equal to one that still runs answers with that job.

        strict_arrays: A bare value where an array is wanted gets 400; else it is
            dropped without a word and the job is charged.
        unknown_field_status: Answer to an input the model does not have; 0 drops it
            without a word, and the job is charged.
        unknown_asset_status: Answer to a file input that names no asset of ours; 0
            lets the job run without it.
        large_with_images_refused: 4K sizes together with ``images`` get 400;
            else the job fails.
        extra_models: Further models: id to the inner object of ``GET /models/{id}``.
        model_changes: By model id, keys that replace those of its record.
        input_changes: By input name, keys merged into its descriptor in every model.
        restricted_models: Models above the plan: 403 for submits and quotes.
        required_plan: Which plan that 403 names.
        restriction_in_details: It names it in ``details``; else beside ``reason``.
        performance_stats: Model records carry ``performanceStats``.

        job_seconds: Shortest and longest life of a job.
        status_path: Statuses before the last and the fraction of the life at which
            each begins; the first begins at 0.
        heartbeat_s: ``updatedAt`` of a running job moves this often; 0: only with
            its status.
        failure_rate: Share of jobs that fail, 0 to 1.
        moderation_rate: Share of jobs that fail with moderation wording.
        moderation_status: Moderated prompts are refused at submit with this status;
            None lets the job fail.
        failure_field: Where the reason of a failure stands: ``metadata.error``, or
            a key of the job itself such as ``errorMessage``.
        failed_status: The word for a failed job; older guides have ``failed``.

        submit_status: 200, 201 or 202.
        sparse_submit: The answer to a submit holds nothing but the ``jobId``.
        submit_author_differs: The answer to a submit names another author than the
            list does.
        job_id_key: ``jobId``; a guide has ``id``.
        hidden_job_s: A new job answers 404 by its id for so long.
        list_lag_s: The list shows the world as it was so long ago.
        list_newest_first: Direction of both listings.
        list_retention_s: The list forgets jobs older than this; None never.
        job_retention_s: ``GET /jobs/{id}`` likewise.
        page_cap: A page never holds more than this, whatever ``pageSize`` says.
        asset_ids_delay_s: A job says ``success`` so long before its ``assetIds`` are
            there.
        list_omits_asset_ids: A listing never has them; a read by id does.
        workflow_child_rate: Share of submits beside which a job of a workflow appears:
            of the same author and inputs, with ``metadata.workflowJobId``.
        stranger_rate: Share of submits beside which an equal job of another author
            appears.
        echo_delay_s: ``metadata.input`` is empty for so long after the submit.
        echo_omits: Inputs that the echo leaves out.
        echo_changes: Inputs that the echo shows with another value.
        echo_defaults: The echo shows the defaults of inputs that were not sent.
        echo_dropped: The echo shows a value that was dropped.
        echo_seed: How the echo shows the seed: as a ``number``, as ``text``, as a
            ``float``, ``clamped`` to 65535, or ``replaced`` by another.
        echo_prompt: The ``same``, ``trimmed``, in the form ``nfc``, or ``rewritten``.
        echo_size_sign: Stands between width and height in the echo of ``size``.
        prompt_archived_s: The echo shows the id of a text asset in place of the prompt
            so long after the submit; None never.

        asset_pending_s: An asset is ``pending`` so long after its job's success.
        asset_hidden_s: An asset is unknown so long after its job's success.
        asset_error_rate: Share of generated assets that end as ``error``.
        asset_retention_s: Assets older than this are gone; None never.
        companion_assets: So many JSON files beside the images of every job.
        image_set_outputs: Number of images with ``imageSetMode``; None: ``numOutputs``.
        output_index: ``null``, ``zero`` for every output, or its ``position``.
        bulk_cap: More ids than this in one get-bulk get 400.
        bulk_unknown: ``omit`` leaves unknown ids out, ``404`` fails the call.
        bulk_shuffled: get-bulk answers in another order than it was asked.
        transformed_urls: Without ``originalAssets=true`` the URL of an image leads to
            ``/assets-transform``, a re-encoded copy whose size differs from
            ``properties.size``.

        image_format: ``png``, ``jpeg`` or ``webp``.
        claimed_mime_type: What ``mimeType`` says instead of the truth.
        pixels_divisor: Images are so many times smaller in each direction than asked
            for; keeps large runs cheap.
        fixed_size_px: Width and height of every image, whatever was asked for.
        sizes_follow_reference: ``1K``, ``2K``, ``4K`` take the shape of the first
            reference image; else they are square.

        cdn_lifetime_s: Life of a signed URL; None is the service's window by days.
        altered_url_status: Answer to a signed URL that was changed: 302, to a foreign
            host, or 403. An expired one is 403.
        cdn_content_length: The CDN says how long a file is; else it is chunked.
        cdn_ranges: The CDN obeys ``Range``.
        cdn_bytes_per_second: Speed of a download; None is unlimited.
        slow_bytes_per_second: Speed under the fault ``cdn-slow``.

        upload_seconds: From ``complete`` to ``imported``.
        upload_failure_rate: Share of multipart uploads that fail.
        upload_pending_s: An asset from ``POST /assets`` is ``pending`` for so long.
        upload_validates: What is no readable image is refused.
        upload_deduplicates: The same bytes give the same asset.
        small_upload_jobs: ``POST /assets`` makes a job of type ``upload`` too.
        upload_hidden_s: An uploaded asset is unknown to submits for so long.
        part_min_bytes: Least size of every part but the last.
        part_lifetime_s: How long a part's URL is accepted.
        part_status: Answer to a part: 200, 201 or 204.
        body_cap_bytes: Larger request bodies get 413.
        response_cap_bytes: Larger answers become a 502 of the gateway.

        hang_s: How long a hanging answer hangs before the connection is closed.
        answer_delay_s: Before every answer of /v1.
        date_skew_s: The ``Date`` header is so far off the service's own times.
    """

    seed: int | None = None

    accepted_keys: Mapping[str, str] | None = None
    same_author: bool = False
    keys_share_jobs: bool = True
    foreign_project_status: int = 403
    limits_status: int = 200
    teams_status: int = 200

    ceiling: int | None = None
    ceiling_taken: int = 0
    announced_ceiling: int | None = None
    announce_ceiling: bool = True
    finalizing_counts: bool = True
    quotes_need_slot: bool = False
    retry_after_s: int | None = None
    cooldown_s: float = 0.0
    cooldown_after: int = 1
    requests_per_minute: int | None = None

    credits_cu: float | None = None
    credits_status: int = 402
    key_cap_cu: float | None = None
    key_cap_status: int = 402
    unit_prices_cu: Mapping[str, float] = field(
        default_factory=lambda: dict(UNIT_PRICES_CU)
    )
    default_price_cu: float = 4
    reference_surcharge_cu: float = 0
    size_factors: Mapping[str, float] = field(default_factory=dict)
    cost_impact: Mapping[str, bool] = field(
        default_factory=lambda: {"prompt": False, "images": True, "numOutputs": True}
    )
    quality_gate_cu: float = 0
    late_addon_cu: float = 0
    discount_cu: float = 0
    charge_factor: float = 1.0
    disable_refund: bool = False
    partial_refunded: bool = False
    deduplicates: bool = False

    strict_arrays: bool = False
    unknown_field_status: int = 0
    unknown_asset_status: int = 404
    large_with_images_refused: bool = True
    extra_models: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    model_changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    input_changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    restricted_models: tuple[str, ...] = ()
    required_plan: str = "cu-max"
    restriction_in_details: bool = True
    performance_stats: bool = True

    job_seconds: tuple[float, float] = (1.0, 3.0)
    status_path: tuple[tuple[str, float], ...] = STATUS_PATH
    heartbeat_s: float = 0.0
    failure_rate: float = 0.0
    moderation_rate: float = 0.0
    moderation_status: int | None = None
    failure_field: str = "metadata.error"
    failed_status: str = "failure"

    submit_status: int = 200
    sparse_submit: bool = False
    submit_author_differs: bool = False
    job_id_key: str = "jobId"
    hidden_job_s: float = 0.0
    list_lag_s: float = 0.0
    list_newest_first: bool = True
    list_retention_s: float | None = None
    job_retention_s: float | None = None
    page_cap: int = 100
    asset_ids_delay_s: float = 0.0
    list_omits_asset_ids: bool = False
    workflow_child_rate: float = 0.0
    stranger_rate: float = 0.0
    echo_delay_s: float = 0.0
    echo_omits: tuple[str, ...] = ()
    echo_changes: Mapping[str, object] = field(default_factory=dict)
    echo_defaults: bool = False
    echo_dropped: bool = False
    echo_seed: str = "number"
    echo_prompt: str = "same"
    echo_size_sign: str = "*"
    prompt_archived_s: float | None = 24 * 3600.0

    asset_pending_s: float = 0.0
    asset_hidden_s: float = 0.0
    asset_error_rate: float = 0.0
    asset_retention_s: float | None = None
    companion_assets: int = 0
    image_set_outputs: int | None = None
    output_index: str = "null"
    bulk_cap: int = 200
    bulk_unknown: str = "omit"
    bulk_shuffled: bool = False
    transformed_urls: bool = True

    image_format: str = "png"
    claimed_mime_type: str = ""
    pixels_divisor: int = 1
    fixed_size_px: int | None = None
    sizes_follow_reference: bool = False

    cdn_lifetime_s: float | None = None
    altered_url_status: int = 302
    cdn_content_length: bool = True
    cdn_ranges: bool = True
    cdn_bytes_per_second: float | None = None
    slow_bytes_per_second: float = 4096.0

    upload_seconds: float = 0.2
    upload_failure_rate: float = 0.0
    upload_pending_s: float = 0.0
    upload_validates: bool = True
    upload_deduplicates: bool = False
    small_upload_jobs: bool = True
    upload_hidden_s: float = 0.0
    part_min_bytes: int = 5 * 2**20
    part_lifetime_s: float = 3600.0
    part_status: int = 200
    body_cap_bytes: int = 10 * 2**20
    response_cap_bytes: int = 6_000_000

    hang_s: float = 600.0
    answer_delay_s: float = 0.0
    date_skew_s: float = 0.0
