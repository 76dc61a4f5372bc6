"""``emulator``: options → a local service, until it is stopped."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from pipeline.cli.console.printing import say
from pipeline.cli.console.streams import find_lost_result
from pipeline.contract.contract_file import read_contract
from pipeline.contract.rehearsal import knobs_of
from pipeline.counting import plural
from pipeline.emulator.faults import parse_fault_rate
from pipeline.emulator.model_definition import read_definitions
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.web.server import Emulator, serve
from pipeline.errors import ExitCode, UsageError
from pipeline.settings import BASE_URL_VARIABLE, KEY_VARIABLE, SECRET_VARIABLE

_LONGEST_COOLDOWN_S = 86_400.0


def emulator_command(
    *,
    port: int,
    ceiling: int | None,
    rpm: int | None,
    cooldown: str | None,
    job_seconds: str,
    seed: int | None,
    faults: tuple[str, ...],
    contract: Path | None,
    models: tuple[Path, ...],
) -> ExitCode:
    """Serve until SIGINT or SIGTERM."""
    profile = _profile_from(contract).replace(job_seconds=_parse_span(job_seconds))
    profile = _with_models(profile, models)
    if ceiling:
        profile = profile.replace(ceiling=ceiling)
    if rpm:
        profile = profile.replace(requests_per_minute=rpm)
    if cooldown is not None:
        after, pause_s = _parse_cooldown(cooldown)
        profile = profile.replace(cooldown_after=after, cooldown_s=pause_s)
    try:
        rates = dict(parse_fault_rate(text) for text in faults)
    except ValueError as error:
        raise UsageError(str(error)) from error

    async def serve_until_stopped() -> None:
        await serve(
            port=port,
            profile=profile,
            fault_rates=rates,
            seed=seed,
            on_ready=_print_addresses,
        )

    try:
        anyio.run(serve_until_stopped)
    except OSError as error:
        raise UsageError(
            f"cannot listen on port {port}: {error.strerror or error}",
            hint="choose another with --port",
        ) from error
    return ExitCode.OK


def _profile_from(path: Path | None) -> EmulatorProfile:
    if path is None:
        return EmulatorProfile()
    contract = read_contract(path)
    knobs = knobs_of(contract)
    seen = plural(len(contract.seen), "assumption")
    say(f"behaving like {contract.base_url}: {seen} seen")
    return EmulatorProfile.of(**knobs)


def _with_models(profile: EmulatorProfile, paths: tuple[Path, ...]) -> EmulatorProfile:
    """The profile with the models of these files in place of those of the same ids."""
    found = dict(profile.jobs.extra_models)
    prices_cu = dict(profile.money.unit_prices_cu)
    for path in paths:
        for definition in _read_models(path):
            record = definition["model"]
            assert isinstance(record, dict)
            found[record["id"]] = definition
            if "price_cu" in definition:
                prices_cu.pop(record["id"], None)
    return profile.replace(extra_models=found, unit_prices_cu=prices_cu)


def _read_models(path: Path) -> list[Mapping[str, object]]:
    shown = os.fspath(path)
    try:
        return read_definitions(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        place = f"{shown}:{error.lineno}:{error.colno}"
        raise UsageError(f"{place}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{shown}: {error}",
            hint="write it like the answer of GET /models/{id};"
            " see 'Further models' in docs/reference/emulator.md",
        ) from error


def _print_addresses(emulator: Emulator) -> None:
    lines = [
        f"emulating the service at {emulator.base_url}; nothing here is real",
        f"  export {BASE_URL_VARIABLE}={emulator.base_url}",
        *(f"  export {name}=emulated" for name in (KEY_VARIABLE, SECRET_VARIABLE)),
        "  any API key and secret work; press Ctrl-C to stop",
    ]
    with suppress(BrokenPipeError):  # who reads them has read enough; it serves on
        for line in lines:
            say(line)
    lost = find_lost_result()  # nobody could know its address
    if lost is not None:
        raise lost


def _parse_cooldown(text: str) -> tuple[int, float]:
    count, slash, pause = text.partition("/")
    try:
        after, pause_s = int(count), float(pause)
    except ValueError:
        after, pause_s = 0, 0.0
    if not slash or after < 1 or not 0 < pause_s < _LONGEST_COOLDOWN_S:
        raise UsageError(
            f"--cooldown {text!r} is not a cooldown",
            hint="write it like 10/90: after 10 submits, none for 90 seconds",
        )
    return after, pause_s


def _parse_span(text: str) -> tuple[float, float]:
    low, dash, high = text.partition("-")
    try:
        low_s = float(low)
        high_s = float(high) if dash else low_s
    except ValueError:
        low_s, high_s = 1.0, 0.0
    if not 0 <= low_s <= high_s:
        raise UsageError(
            f"--job-seconds {text!r} is not a range of seconds",
            hint="write it like 1-3 or 2.5",
        )
    return low_s, high_s
