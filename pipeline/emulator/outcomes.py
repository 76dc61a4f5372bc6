"""How a job will go, decided once, when it is submitted.

Markers in the prompt script a job: ``[fail]``, ``[fail-once]``, ``[moderate]``,
``[moderate-once]``, ``[quota]``, ``[cancel]``, ``[never]``, ``[slow=SECONDS]``,
``[no-output]``, ``[fewer]``, ``[more]``, ``[partial]``, ``[odd-status]``, ``[jpeg]``,
``[webp]``, ``[png]``, ``[asset-error]``. Without a marker, the rates of the profile and
the seed decide. ``[next:WORD]`` is a marker for the jobs that are made from the
outputs of this one.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.emulator.profiles.jobs import JobsProfile

WORD = re.compile(r"\[([^\[\]]+)\]")
FOR_THE_NEXT = "next:"
SLOW = re.compile(r"\[slow=(\d+(?:\.\d+)?)\]")
FORMATS = ("jpeg", "webp", "png")
FAILED_TEXT = "The provider could not generate the image"
FAILED_HINT = "Try again, or change the prompt."
MODERATED_TEXT = "The request was flagged by moderation: sensitive content"
MODERATED_HINT = "Change the prompt so that it follows the content policy."
UNREADABLE_TEXT = "The input image could not be read"
UNREADABLE_HINT = "Give the asset of an image."
OUTSIZE_TEXT = "The output would be larger than 64 megapixels"
OUTSIZE_HINT = "Choose a smaller factor or a smaller image."
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
        outputs: The number of files.
        image_format: ``png``, ``jpeg`` or ``webp``; "" if no marker says.
        broken_assets: Its assets end as ``error``.
    """

    status: str
    error: str = ""
    hint: str = ""
    life_s: float
    outputs: int
    image_format: str
    broken_assets: bool = False


def script_of(inputs: Mapping[str, object], parents: Iterable[str]) -> str:
    """The markers that apply to a job, each in its brackets.

    Args:
        inputs: Everything that was sent, also what the model does not have.
        parents: The scripts of the jobs from whose outputs it is made.
    """
    texts = [value for value in inputs.values() if isinstance(value, str)]
    words = [word.lower() for text in texts for word in WORD.findall(text)]
    words += [
        word.removeprefix(FOR_THE_NEXT)
        for script in parents
        for word in WORD.findall(script)
        if word.startswith(FOR_THE_NEXT)
    ]
    return "".join(f"[{word}]" for word in words)


def is_moderated(script: str) -> bool:
    """Whether moderation stops every job with this script."""
    return "[moderate]" in script


def has_own_time(script: str) -> bool:
    """Whether the script says how long the job takes."""
    return SLOW.search(script) is not None


def repeats_matter(script: str) -> bool:
    """Whether a second job with this script and these inputs goes differently."""
    return "-once]" in script


def decide_outcome(
    script: str,
    *,
    wanted_outputs: int,
    is_first: bool,
    jobs: JobsProfile,
    chance: random.Random,
) -> Outcome:
    """Decide how a job goes.

    Args:
        script: The markers that apply to it; see :func:`script_of`.
        wanted_outputs: How many files the request asks for.
        is_first: No earlier job has the same inputs.
        jobs: Rates and durations.
        chance: The random series of this job alone. It is read the same number of
            times for every job.
    """
    low_s, high_s = jobs.job_seconds
    life_s = low_s + (high_s - low_s) * chance.random()
    fails = chance.random() < jobs.failure_rate
    moderated = chance.random() < jobs.moderation_rate
    broken = chance.random() < jobs.asset_error_rate
    slow = SLOW.search(script)
    if slow:
        life_s = float(slow.group(1))
    status, error, hint = "success", "", ""
    moderated_once = is_first and "[moderate-once]" in script
    if is_moderated(script) or moderated_once or moderated:
        status, error, hint = jobs.failed_status, MODERATED_TEXT, MODERATED_HINT
    elif "[quota]" in script:
        status, error = jobs.failed_status, QUOTA_TEXT
    elif "[fail]" in script or fails or (is_first and "[fail-once]" in script):
        status, error, hint = jobs.failed_status, FAILED_TEXT, FAILED_HINT
    elif "[partial]" in script:
        status, error = jobs.failed_status, PARTIAL_TEXT
    elif "[odd-status]" in script:
        status = UNKNOWN_STATUS
    elif "[cancel]" in script:
        status = "canceled"
    elif "[never]" in script:
        status = ""
    return Outcome(
        status=status,
        error=error,
        hint=hint,
        life_s=life_s,
        outputs=_output_count(script, wanted_outputs, status, error),
        image_format=next((name for name in FORMATS if f"[{name}]" in script), ""),
        broken_assets=broken or "[asset-error]" in script,
    )


def _output_count(script: str, wanted: int, status: str, error: str) -> int:
    if error == PARTIAL_TEXT:
        return max(wanted - 1, 1)
    if status not in {"success", UNKNOWN_STATUS}:
        return 0
    if "[no-output]" in script:
        return 0
    if "[fewer]" in script:
        return max(wanted - 1, 0)
    return wanted + 1 if "[more]" in script else wanted
