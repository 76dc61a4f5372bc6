"""A job's inputs in, what the service's record of them shows out.

The record is not always what was sent: services archive prompts, tidy them up, and
spell numbers in another way. Which of it happens here, the profile says.
"""

import unicodedata
from collections.abc import Callable, Mapping

from pipeline.emulator.identity import make_id
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.timeline import span_ms

LARGEST_CLAMPED_SEED = 65535
REPLACED_SEED_STEP = 1_000_003
SIZE_SIGN = "*"

PROMPTS: Mapping[str, Callable[[str], str]] = {
    "same": lambda text: text,
    "trimmed": lambda text: " ".join(text.split()),
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "rewritten": lambda text: f"{text}, highly detailed, best quality",
}
SEEDS: Mapping[str, Callable[[int], object]] = {
    "number": lambda seed: seed,
    "text": str,
    "float": float,
    "clamped": lambda seed: min(seed, LARGEST_CLAMPED_SEED),
    "replaced": lambda seed: (seed + REPLACED_SEED_STEP) % 2**31,
}


def prompt_is_archived(
    job: EmulatedJob, moment_ms: int, profile: EmulatorProfile
) -> bool:
    """Whether the prompt has become a text asset by then."""
    archived_s = profile.prompt_archived_s
    return (
        archived_s is not None
        and isinstance(job.inputs.get("prompt"), str)
        and moment_ms >= job.created_ms + span_ms(archived_s)
    )


def prompt_asset_id(job: EmulatedJob) -> str:
    """The id of the text asset that takes the place of the prompt."""
    return make_id("asset", job.job_id, "prompt")


def echo_of(
    job: EmulatedJob,
    moment_ms: int,
    profile: EmulatorProfile,
    defaults: Mapping[str, object],
) -> dict[str, object]:
    """``metadata.input`` at a moment.

    Args:
        job: A custom job.
        moment_ms: A time not before its creation.
        profile: What the echo does to the inputs.
        defaults: Defaults of the model's inputs, for echoes that show them.
    """
    if moment_ms < job.created_ms + span_ms(profile.echo_delay_s):
        return {}
    echo = dict(defaults) if profile.echo_defaults else {}
    echo |= job.inputs
    if profile.echo_dropped:
        echo |= job.dropped
    prompt, size = echo.get("prompt"), echo.get("size")
    if prompt_is_archived(job, moment_ms, profile):
        echo["prompt"] = prompt_asset_id(job)
    elif isinstance(prompt, str):
        echo["prompt"] = PROMPTS[profile.echo_prompt](prompt)
    if isinstance(size, str):
        echo["size"] = size.replace(SIZE_SIGN, profile.echo_size_sign)
    echo["modelId"] = job.model_id
    echo["seed"] = SEEDS[profile.echo_seed](job.seed)
    echo |= profile.echo_changes
    for name in profile.echo_omits:
        echo.pop(name, None)
    return echo
