"""Options that several commands share, as decorators; and what they mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.cli.console.money import CuPrice, parse_cu_price

CU_PRICE_VARIABLE = "PIPELINE_CU_PRICE"


class FiniteRange(click.FloatRange):
    """A number in a range that is one: neither NaN nor infinity."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The number, or a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Text(click.types.StringParamType):
    """A text that can be looked up and sent; a path may be any bytes."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The text, or a usage error."""
        text = str(value)
        if any("\ud800" <= char <= "\udfff" for char in text):
            self.fail(f"{text!r} is not UTF-8.", param, ctx)
        return text


F = TypeVar("F", bound=Callable[..., Any])

MANIFEST = click.argument(
    "manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="MANIFEST",
)
_PLACE = (
    click.option(
        "--output",
        "-o",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Where the files go.  [default: output/<manifest name>]",
    ),
    click.option(
        "--emulate",
        is_flag=True,
        help="Use the built-in emulator: needs no credentials, spends nothing.",
    ),
)
_SELECTION = (
    click.option(
        "--select",
        "-s",
        multiple=True,
        metavar="GLOB",
        help="Only items whose id matches, such as 'tree-*'; repeatable.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="Only the first N items that are not done: try three first.",
    ),
    click.option(
        "--verify",
        is_flag=True,
        help="Compare finished files by SHA-256, not only by size.",
    ),
)


def _cu_price(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> CuPrice | None:
    return None if value is None else parse_cu_price(value)


CU_PRICE = click.option(
    "--cu-price",
    metavar="PRICE",
    envvar=CU_PRICE_VARIABLE,
    callback=_cu_price,
    help="What a compute unit costs, such as 0.012EUR: shows money beside units.",
)
FORCE = click.option(
    "--force", is_flag=True, help="Make the selected items again; needs --select."
)
ALLOW_OUTSIDE = click.option(
    "--allow-outside",
    is_flag=True,
    help="Let references lie outside of the manifest's folder.",
)
OFFLINE = click.option(
    "--offline", is_flag=True, help="Ask the service nothing: no live tables or prices."
)
JSON = click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")
_RUNNING = (
    click.option(
        "--max-jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="At most N jobs in flight, whatever the service allows.",
    ),
    click.option(
        "--max-cost",
        metavar="CU",
        help="Spend at most so many compute units on this manifest, in all.",
    ),
    click.option(
        "--job-timeout",
        type=FiniteRange(min=1),
        metavar="SECONDS",
        help="Give up waiting for a job after this long.  [default: 1800]",
    ),
    click.option(
        "--submit-timeout",
        type=FiniteRange(min=1),
        metavar="SECONDS",
        help="How long a submit may take to be answered.  [default: 60]",
    ),
    click.option(
        "--settle",
        type=FiniteRange(min=0),
        metavar="SECONDS",
        help="How long after a lost submit its absence counts.  [default: 90]",
    ),
    click.option(
        "--rpm",
        type=click.IntRange(min=0),
        metavar="N",
        help="Requests to the API a minute, at most; 0: any number.  [default: 95]",
    ),
    click.option(
        "--max-pause",
        metavar="DURATION",
        help="Wait so long when the service takes no submits.  [default: 1h]",
    ),
    click.option(
        "--deadline",
        metavar="DURATION",
        help="Submit nothing more after 90s, 45m or 2h; go on collecting.",
    ),
    click.option(
        "--fail-threshold",
        metavar="N|P%",
        help="Submit nothing more once N items, or more than P percent, have failed.",
    ),
    click.option(
        "--fail-fast",
        is_flag=True,
        help="Submit nothing more once one item has failed.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="Stop when the service drops or changes an input.",
    ),
    click.option(
        "--keep-old",
        is_flag=True,
        help="Keep a file that a new one replaces, as oak.old-1.png.",
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask before spending."),
    click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors."),
    click.option("--debug", is_flag=True, help="Log every exchange to stderr."),
    click.option(
        "--log-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Log every exchange to a file.",
    ),
)


def _all(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


place_options = _all(_PLACE)
selection_options = _all(_SELECTION)
running_options = _all((*_RUNNING, CU_PRICE))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says about a run; ``None`` where it says nothing."""

    output: Path | None
    emulate: bool
    select: tuple[str, ...]
    limit: int | None
    verify: bool
    allow_outside: bool
    as_json: bool
    max_jobs: int | None
    max_cost: str | None
    cu_price: CuPrice | None
    strict: bool
    job_timeout: float | None
    submit_timeout: float | None
    settle: float | None
    rpm: int | None
    max_pause: str | None
    deadline: str | None
    fail_threshold: str | None
    fail_fast: bool
    keep_old: bool
    yes: bool
    quiet: bool
    debug: bool
    log_file: Path | None
    force: bool = False
    saved_plan: Path | None = None
    frozen: bool = False
