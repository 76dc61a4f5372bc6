"""How the service shows the inputs of a job in ``metadata.input``.

A service does not always show what was sent: it archives prompts, tidies them up, and
writes numbers in another form. The profile says what happens here.
"""

import unicodedata
from collections.abc import Callable, Mapping

from pipeline.emulator.identity import make_id
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profiles.listing import ListingProfile
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
    job: EmulatedJob, moment_ms: int, listing: ListingProfile
) -> bool:
    """Whether a text asset has replaced the prompt at this moment."""
    archived_s = listing.prompt_archived_s
    return (
        archived_s is not None
        and isinstance(job.inputs.get("prompt"), str)
        and moment_ms >= job.created_ms + span_ms(archived_s)
    )


def prompt_asset_id(job: EmulatedJob) -> str:
    """The id of the text asset that replaces the prompt."""
    return make_id("asset", job.job_id, "prompt")


def echo_of(
    job: EmulatedJob,
    moment_ms: int,
    listing: ListingProfile,
    defaults: Mapping[str, object],
) -> dict[str, object]:
    """``metadata.input`` at a moment.

    Args:
        job: A custom job.
        moment_ms: A time not before the job's creation.
        listing: How the echo differs from the inputs.
        defaults: The defaults of the model's inputs, for echoes that show them.
    """
    if moment_ms < job.created_ms + span_ms(listing.echo_delay_s):
        return {}
    echo = dict(defaults) if listing.echo_defaults else {}
    echo |= job.inputs
    if listing.echo_dropped:
        echo |= job.dropped
    prompt, size = echo.get("prompt"), echo.get("size")
    if prompt_is_archived(job, moment_ms, listing):
        echo["prompt"] = prompt_asset_id(job)
    elif isinstance(prompt, str):
        echo["prompt"] = PROMPTS[listing.echo_prompt](prompt)
    if isinstance(size, str):
        echo["size"] = size.replace(SIZE_SIGN, listing.echo_size_sign)
    echo["modelId"] = job.model_id
    if job.shows_seed:
        echo["seed"] = SEEDS[listing.echo_seed](job.seed)
    echo |= listing.echo_changes
    for name in listing.echo_omits:
        echo.pop(name, None)
    return echo
