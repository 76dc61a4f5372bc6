"""Which submits become jobs, and what becomes of the jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

STATUS_PATH: tuple[tuple[str, float], ...] = (
    ("queued", 0.0),
    ("warming-up", 0.1),
    ("in-progress", 0.2),
    ("finalizing", 0.9),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsProfile:
    """The models, the checks of inputs, the answer to a submit, and a job's outcome.

    Attributes:
        extra_models: Further models, by id: a definition as in a file of
            ``--models``, or the inner object of ``GET /models/{id}`` alone.
        model_changes: Keys that replace those of a model's record, by model id.
        input_changes: Keys that are merged into an input's descriptor in every model,
            by input name.
        performance_stats: Model records carry ``performanceStats``.

        strict_arrays: A bare value where an array is expected gets 400. Otherwise it
            is dropped silently, and the job is charged.
        strict_scalars: An array where a bare value is expected gets 400. Otherwise it
            is dropped silently, and the job is charged.
        unknown_field_status: The answer to an input that the model does not have. 0
            drops the input silently, and the job is charged.
        unknown_asset_status: The answer to a file input that names no known asset. 0
            lets the job run without it.
        large_with_images_refused: 4K sizes together with ``images`` get 400.
            Otherwise the job fails.
        moderation_status: The answer to a submit whose prompt is moderated. None
            accepts the submit and lets the job fail.
        deduplicates: A submit that equals one whose job is still running is answered
            with that job.

        submit_status: The status of the answer to a submit: 200, 201 or 202.
        sparse_submit: That answer holds the job's id and nothing else.
        submit_author_differs: That answer names another author than the list does.

        job_seconds: The shortest and the longest life of a job that makes an image.
            Other models have a factor.
        status_path: The statuses before the last one, each with the fraction of the
            job's life at which it begins. The first begins at 0.
        failure_rate: The share of jobs that fail, from 0 to 1.
        moderation_rate: The share of jobs that fail because of moderation.
        failed_status: The word for a failed job. Older guides have ``failed``.

        image_format: The format of generated images: ``png``, ``jpeg`` or ``webp``. A
            model with a format of its own keeps it.
        image_set_outputs: The number of images with ``imageSetMode``. None takes
            ``numOutputs``.
        companion_assets: How many JSON files every successful job makes besides its
            images.
        asset_error_rate: The share of jobs whose assets end as ``error``.

        workflow_child_rate: The share of submits next to which a child job of a
            workflow appears, with the same author and inputs and with
            ``metadata.workflowJobId``.
        stranger_rate: The share of submits next to which an equal job of another
            author appears.
    """

    extra_models: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    model_changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    input_changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    performance_stats: bool = True

    strict_arrays: bool = False
    strict_scalars: bool = True
    unknown_field_status: int = 0
    unknown_asset_status: int = 404
    large_with_images_refused: bool = True
    moderation_status: int | None = None
    deduplicates: bool = False

    submit_status: int = 200
    sparse_submit: bool = False
    submit_author_differs: bool = False

    job_seconds: tuple[float, float] = (1.0, 3.0)
    status_path: tuple[tuple[str, float], ...] = STATUS_PATH
    failure_rate: float = 0.0
    moderation_rate: float = 0.0
    failed_status: str = "failure"

    image_format: str = "png"
    image_set_outputs: int | None = None
    companion_assets: int = 0
    asset_error_rate: float = 0.0

    workflow_child_rate: float = 0.0
    stranger_rate: float = 0.0
