"""``emulator``: options → a local service, until it is stopped."""

import sys
from pathlib import Path

import anyio

from pipeline.cli.console.printing import say
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.contract.contract_file import read_contract
from pipeline.contract.rehearsal import knobs_of
from pipeline.counting import plural
from pipeline.emulator.faults import parse_fault_rate
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
) -> ExitCode:
    """Serve until SIGINT or SIGTERM."""
    profile = _profile_from(contract).replace(job_seconds=_parse_span(job_seconds))
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


def _print_addresses(emulator: Emulator) -> None:
    lines = [
        f"emulating the service at {emulator.base_url}; nothing here is real",
        f"  export {BASE_URL_VARIABLE}={emulator.base_url}",
        *(f"  export {name}=emulated" for name in (KEY_VARIABLE, SECRET_VARIABLE)),
        "  any API key and secret work; press Ctrl-C to stop",
    ]
    with tolerate_closed_pipe(sys.stdout):  # it serves all the same
        for line in lines:
            say(line)


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
