"""Inputs as sent ↔ inputs as the service echoes them in ``metadata.input``. Pure.

The echo may add ``modelId``, defaults and a seed, and turn numbers into text. It is
how a lost submit is found again, and how a dropped reference shows.
"""

from collections.abc import Mapping

from pipeline.job import JsonValue


def same_request(
    sent: Mapping[str, JsonValue],
    echo: Mapping[str, JsonValue],
    *,
    derived_seed: bool,
    rewrites_prompts: bool = False,
) -> bool:
    """Whether a job's echoed inputs are those that were sent.

    A derived seed is a fingerprint of the item, and with the prompt one of the
    request: other differences are then the service's doing. Without one, every input
    that was sent and is echoed has to agree; where no seed is echoed, every other
    input that was sent has to be echoed too.

    Args:
        sent: The inputs of our submit.
        echo: The inputs of a job of the service.
        derived_seed: Whether the seed that was sent is one that only the item has.
        rewrites_prompts: Whether the service is known to echo other prompts than
            it was sent; then they tell nothing.
    """
    if not echo:
        return False
    if "seed" in sent and "seed" in echo:
        if not same_value(sent["seed"], echo["seed"]):
            return False
        if derived_seed:
            # An edited prompt keeps its item's seed; so may another manifest's item.
            prompt = echo.get("prompt", sent.get("prompt"))
            return rewrites_prompts or same_value(sent.get("prompt"), prompt)
    elif any(name not in echo for name in sent if name != "seed"):
        return False
    return not contradicts(sent, echo)


def contradicts(sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> bool:
    """Whether the echo shows a sent input with another value; an empty one does not."""
    return any(
        not same_value(value, echo[name])
        for name, value in sent.items()
        if name in echo
    )


def shares_seed(sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> bool:
    """Whether both name a seed, and the same one."""
    return (
        "seed" in sent and "seed" in echo and (same_value(sent["seed"], echo["seed"]))
    )


def agreement(sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]) -> int:
    """How many of the sent inputs are echoed alike; the prompt weighs most."""
    alike = sum(same_value(value, echo.get(name)) for name, value in sent.items())
    same_prompt = same_value(sent.get("prompt"), echo.get("prompt"))
    return alike + (100 if same_prompt else 0)


def same_value(ours: object, theirs: object) -> bool:
    """Equality that a service's echo deserves: ``7``, ``7.0`` and ``"7"`` are one."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float | str):
        try:
            return float(ours) == float(theirs)
        except (ValueError, OverflowError):
            return False
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same_value, ours, theirs))
    return ours == theirs


def describe_difference(difference: Mapping[str, JsonValue]) -> str:
    """A sentence on what ``echo_difference`` found: dropped, or changed to what."""
    dropped = sorted(name for name, value in difference.items() if value is None)
    changed = sorted(name for name in difference if name not in dropped)
    parts = []
    if dropped:
        parts.append(f"dropped {' and '.join(dropped)}")
    if changed:
        shown = (f"{name} to {str(difference[name])[:80]!r}" for name in changed)
        parts.append(f"changed {' and '.join(shown)}")
    return f"the service {' and '.join(parts)}; the job was charged all the same"


def echo_difference(
    sent: Mapping[str, JsonValue], echo: Mapping[str, JsonValue]
) -> dict[str, JsonValue] | None:
    """What the echo says differently of what was sent; None where it has no echo.

    Returns:
        By input name: the echoed value, or None where the input was dropped.
    """
    if not echo:
        return None
    return {
        name: echo.get(name)
        for name, value in sent.items()
        if not same_value(value, echo.get(name))
    }
