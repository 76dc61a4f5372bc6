"""A prompt in, what will become of its job out; decided once, at the submit.

Markers in the prompt script a job: ``[fail]``, ``[fail-once]``, ``[moderate]``,
``[moderate-once]``, ``[quota]``, ``[cancel]``, ``[never]``, ``[slow=SECONDS]``,
``[no-output]``, ``[fewer]``, ``[more]``, ``[partial]``, ``[odd-status]``, ``[jpeg]``,
``[webp]``, ``[png]``, ``[asset-error]``. Without one, the rates of the profile and the
seed decide.
"""

import random
import re
from dataclasses import dataclass

from pipeline.emulator.profile import EmulatorProfile

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
ODD_STATUS = "completed"  # a last word that no documentation has


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job will go.

    Attributes:
        status: The last status, or "" for a job that never ends.
        error: Text of a failure.
        hint: Advice that goes with it.
        life_s: Seconds from submit to the last status.
        outputs: Number of images.
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
    """Whether this prompt is always stopped by moderation."""
    return "[moderate]" in prompt.lower()


def repeats_matter(prompt: object) -> bool:
    """Whether this prompt goes differently the second time."""
    return isinstance(prompt, str) and "-once]" in prompt.lower()


def decide_outcome(
    prompt: str,
    *,
    wanted_outputs: int,
    is_first: bool,
    profile: EmulatorProfile,
    chance: random.Random,
) -> Outcome:
    """Decide how a job goes.

    Args:
        prompt: As submitted, markers included.
        wanted_outputs: Images asked for.
        is_first: No job with the same inputs came before.
        profile: Rates and durations.
        chance: The randomness of this job alone; read the same number of times
            for every job.
    """
    text = prompt.lower()
    low_s, high_s = profile.job_seconds
    life_s = low_s + (high_s - low_s) * chance.random()
    fails = chance.random() < profile.failure_rate
    moderated = chance.random() < profile.moderation_rate
    broken = chance.random() < profile.asset_error_rate
    slow = SLOW.search(text)
    if slow:
        life_s = float(slow.group(1))
    status, error, hint = "success", "", ""
    once = is_first and "[moderate-once]" in text
    if is_moderated(prompt) or once or moderated:
        status, error, hint = profile.failed_status, MODERATED_TEXT, MODERATED_HINT
    elif "[quota]" in text:
        status, error = profile.failed_status, QUOTA_TEXT
    elif "[fail]" in text or fails or (is_first and "[fail-once]" in text):
        status, error, hint = profile.failed_status, FAILED_TEXT, FAILED_HINT
    elif "[partial]" in text:
        status, error = profile.failed_status, PARTIAL_TEXT
    elif "[odd-status]" in text:
        status = ODD_STATUS
    elif "[cancel]" in text:
        status = "canceled"
    elif "[never]" in text:
        status = ""
    return Outcome(
        status=status,
        error=error,
        hint=hint,
        life_s=life_s,
        outputs=_outputs(text, wanted_outputs, status, error),
        image_format=next(
            (name for name in FORMATS if f"[{name}]" in text), profile.image_format
        ),
        broken_assets=broken or "[asset-error]" in text,
    )


def _outputs(text: str, wanted: int, status: str, error: str) -> int:
    if error == PARTIAL_TEXT:
        return max(wanted - 1, 1)
    if status not in {"success", ODD_STATUS}:
        return 0
    if "[no-output]" in text:
        return 0
    if "[fewer]" in text:
        return max(wanted - 1, 0)
    return wanted + 1 if "[more]" in text else wanted
