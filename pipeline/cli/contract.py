"""``doctor --contract``: questions to the service → a contract file."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import click

from pipeline.api.probing import ProbeClient
from pipeline.api.rate_limiter import Priority, rate_limiter_of
from pipeline.cli.console.asking import agree
from pipeline.cli.console.money import units_phrase
from pipeline.cli.console.printing import say
from pipeline.cli.console.text import one_line
from pipeline.clock import Clock, SystemClock, format_utc
from pipeline.contract.assumptions import ASSUMPTIONS, verdict_on
from pipeline.contract.contract_file import (
    FILE_NAME,
    exchanges_path,
    write_contract,
    write_exchanges,
)
from pipeline.contract.fixtures import clean, line_of
from pipeline.contract.inquiry import Findings, Inquiry, Questions
from pipeline.contract.paid_probes import Step
from pipeline.counting import choose, plural
from pipeline.errors import ExitCode, UsageError
from pipeline.manifest import load_manifest
from pipeline.models.record import load_shipped_model
from pipeline.operations.connection import service_of
from pipeline.settings import Credentials, Service, Settings
from pipeline.units import parse_units

MODEL_ID = "model_wan-2-7-image"
_LOCAL_INTERVAL_S = 0.1


def check_options(
    manifest: Path | None, *, out: Path | None, spend: str | None, yes: bool
) -> tuple[Decimal, Path]:
    """The units to spend and the contract's file, checked before any request.

    Raises:
        UsageError: The options are wrong, or there is no terminal to ask on.
    """
    budget = _budget_of(spend)
    path = out or (manifest.parent if manifest is not None else Path()) / FILE_NAME
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.absolute().parent}")
    if budget and not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "--spend costs compute units, and there is no terminal to ask on",
            hint="add --yes to agree in advance",
        )
    return budget, path


def contract_command(
    manifest: Path | None,
    *,
    out: Path | None,
    spend: str | None,
    yes: bool,
    asks_rate: bool,
    profile: str,
) -> ExitCode:
    """Ask the service how it behaves, and save the answers.

    Returns:
        ``BUDGET`` if more was charged than quoted, ``UNKNOWN_OUTCOME`` if it is unknown
        whether a submit was paid for, ``ITEMS_FAILED`` if one was refused.
    """
    budget, path = check_options(manifest, out=out, spend=spend, yes=yes)
    service, credentials = service_of(os.environ, emulate=False)
    assert credentials is not None, "only the emulator needs none"
    model_id = MODEL_ID
    if manifest is not None:
        model_id = load_manifest(manifest, profile=profile).model_id or MODEL_ID
    shipped = load_shipped_model(model_id)
    questions = Questions(
        service=service,
        model_id=model_id,
        shipped=tuple(shipped.inputs) if shipped else (),
        is_loopback=credentials.is_loopback,
        asks_rate=asks_rate,
        budget=budget,
        interval_s=_LOCAL_INTERVAL_S if credentials.is_loopback else 3.0,
    )
    found: list[Findings] = []

    def keep(findings: Findings) -> None:
        found.append(findings)
        _write(path, findings)

    asyncio.run(_inquire(questions, credentials, SystemClock(), yes=yes, keep=keep))
    (findings,) = found
    _tell(findings, service, path)
    if findings.is_overcharged:
        return ExitCode.BUDGET
    if findings.is_unknown:
        return ExitCode.UNKNOWN_OUTCOME
    return ExitCode.ITEMS_FAILED if findings.trouble else ExitCode.OK


async def _inquire(
    questions: Questions,
    credentials: Credentials,
    clock: Clock,
    *,
    yes: bool,
    keep: Callable[[Findings], None],
) -> None:
    if questions.asks_rate:
        _say(
            "note: at the end, 120 reads are sent at once, which uses up a minute's"
            " requests of the whole project; --skip-rate skips this"
        )
    async with ProbeClient(credentials, clock, _turns_of(credentials, clock)) as client:
        inquiry = Inquiry(
            questions,
            client,
            now=lambda: format_utc(clock.utc_now()),
            tell=lambda what: _say(f"asking about {what}"),
            agree=lambda steps: _agree(steps, questions.budget, yes=yes),
        )
        try:
            await inquiry.ask()
        finally:  # save what is paid for, however this ends
            keep(inquiry.findings())


def _turns_of(credentials: Credentials, clock: Clock) -> Callable[[], Awaitable[None]]:
    return partial(
        rate_limiter_of(credentials, Settings(), clock).wait_for_turn, Priority.OTHER
    )


def _agree(steps: Sequence[Step], budget: Decimal, *, yes: bool) -> bool:
    if not steps:
        _say(f"no question fits into {units_phrase(budget)}")
        return False
    for step in steps:
        units = choose(step.total, "unit ", "units")
        _say(f"  {step.total:>8f} {units}  {step.name}, {step.model_id}")
    total = sum((step.total for step in steps), Decimal(0))
    units = choose(total, "unit", "units")
    _say(f"  {total:>8f} {units} of {budget:f}")
    if not yes:
        try:
            agree("Spend them?")
        except click.Abort:
            return False
    return True


def _write(path: Path, findings: Findings) -> None:
    write_exchanges(path, map(line_of, findings.exchanges))
    write_contract(path, findings.contract, clean)


def _tell(findings: Findings, service: Service, path: Path) -> None:
    contract, counts = (
        findings.contract,
        dict.fromkeys(("agree", "differ", "unknown"), 0),
    )
    for assumption in ASSUMPTIONS:
        seen = contract.value(assumption.key)
        verdict = verdict_on(assumption.key, seen)
        counts[verdict] += 1
        if verdict == "differ":
            means = f"; {assumption.safety}" if assumption.safety else ""
            text = f"{assumption.text}; seen: {seen}{means}"
            say(f"differ  {assumption.key:<20} {one_line(text, 300)}")
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    say(f"{told}, of {plural(len(ASSUMPTIONS), 'assumption')} about {service.base_url}")
    if findings.spent:
        say(f"{units_phrase(findings.spent)} spent")
    if findings.trouble:
        say(f"BAD     {one_line(findings.trouble, 300)}")
    say(f"saved to {path} and {exchanges_path(path).name}")


def _budget_of(spend: str | None) -> Decimal:
    if spend is None:
        return Decimal(0)
    units = parse_units(spend)
    if units is None:
        raise UsageError(
            f"--spend {spend!r} is not an amount of compute units",
            hint="write it like 10 or 7.25",
        )
    return units


def _say(text: str) -> None:
    say(text, err=True)
