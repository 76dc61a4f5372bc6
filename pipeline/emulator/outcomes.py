"""How a job will go, decided once, when it is submitted.

Markers in the prompt script a job: ``[fail]``, ``[fail-once]``, ``[moderate]``,
``[moderate-once]``, ``[quota]``, ``[cancel]``, ``[never]``, ``[slow=SECONDS]``,
``[no-output]``, ``[fewer]``, ``[more]``, ``[partial]``, ``[odd-status]``, ``[jpeg]``,
``[webp]``, ``[png]``, ``[asset-error]``. Without a marker, the rates of the profile and
the seed decide.
"""

import random
import re
from dataclasses import dataclass

from pipeline.emulator.profiles.jobs import JobsProfile

SLOW = re.compile(r"\[slow=(\d+(?:\.\d+)?)\]")
FORMATS = ("jpeg", "webp", "png")
FAILED_TEXT = "The provider could not generate the image"
FAILED_HINT = "Try again, or change the prompt."
MODERATED_TEXT = "The request was flagged by moderation: sensitive content"
MODERATED_HINT = "Change the prompt so that it follows the content policy."
LARGE_TEXT = "4K output is not available together with reference images"
LARGE_HINT = "Ask for a smaller size, or leave the images out."
QUOTA_TEXT = "Insufficient provider quota"
PARTIAL_TEXT = "Some of the outputs could not be generated"
UNKNOWN_STATUS = "completed"  # a terminal status that no documentation has


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job will go.

    Attributes:
        status: The last status, or "" for a job that never ends.
        error: The text of a failure.
        hint: The advice that goes with it.
        life_s: Seconds from the submit to the last status.
        outputs: The number of images.
        image_format: ``png``, ``jpeg`` or ``webp``.
        broken_assets: Its assets end as ``error``.
    """

    status: str
    error: str = ""
    hint: str = ""
    life_s: float
    outputs: int
    image_format: str
    broken_assets: bool = False


def is_moderated(prompt: str) -> bool:
    """Whether moderation stops every job with this prompt."""
    return "[moderate]" in prompt.lower()


def repeats_matter(prompt: object) -> bool:
    """Whether a second job with this prompt goes differently."""
    return isinstance(prompt, str) and "-once]" in prompt.lower()


def decide_outcome(
    prompt: str,
    *,
    wanted_outputs: int,
    is_first: bool,
    jobs: JobsProfile,
    chance: random.Random,
) -> Outcome:
    """Decide how a job goes.

    Args:
        prompt: The prompt as sent, with its markers.
        wanted_outputs: How many images the request asks for.
        is_first: No earlier job has the same inputs.
        jobs: Rates and durations.
        chance: The random series of this job alone. It is read the same number of
            times for every job.
    """
    text = prompt.lower()
    low_s, high_s = jobs.job_seconds
    life_s = low_s + (high_s - low_s) * chance.random()
    fails = chance.random() < jobs.failure_rate
    moderated = chance.random() < jobs.moderation_rate
    broken = chance.random() < jobs.asset_error_rate
    slow = SLOW.search(text)
    if slow:
        life_s = float(slow.group(1))
    status, error, hint = "success", "", ""
    moderated_once = is_first and "[moderate-once]" in text
    if is_moderated(prompt) or moderated_once or moderated:
        status, error, hint = jobs.failed_status, MODERATED_TEXT, MODERATED_HINT
    elif "[quota]" in text:
        status, error = jobs.failed_status, QUOTA_TEXT
    elif "[fail]" in text or fails or (is_first and "[fail-once]" in text):
        status, error, hint = jobs.failed_status, FAILED_TEXT, FAILED_HINT
    elif "[partial]" in text:
        status, error = jobs.failed_status, PARTIAL_TEXT
    elif "[odd-status]" in text:
        status = UNKNOWN_STATUS
    elif "[cancel]" in text:
        status = "canceled"
    elif "[never]" in text:
        status = ""
    return Outcome(
        status=status,
        error=error,
        hint=hint,
        life_s=life_s,
        outputs=_output_count(text, wanted_outputs, status, error),
        image_format=next(
            (name for name in FORMATS if f"[{name}]" in text), jobs.image_format
        ),
        broken_assets=broken or "[asset-error]" in text,
    )


def _output_count(text: str, wanted: int, status: str, error: str) -> int:
    if error == PARTIAL_TEXT:
        return max(wanted - 1, 1)
    if status not in {"success", UNKNOWN_STATUS}:
        return 0
    if "[no-output]" in text:
        return 0
    if "[fewer]" in text:
        return max(wanted - 1, 0)
    return wanted + 1 if "[more]" in text else wanted
