"""Options that several commands share, as decorators, and a record of their values."""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.cli.console.money import CuPrice, parse_cu_price
from pipeline.errors import UsageError

CU_PRICE_VARIABLE = "PIPELINE_CU_PRICE"
EXECUTOR_VARIABLE = "PIPELINE_EXECUTOR"


class FiniteRange(click.FloatRange):
    """A number in a range; NaN and infinity are not accepted."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The number, or a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class HomePath(click.Path):
    """A path with ``~`` expanded, which a shell does not do in ``--output=~/x``."""

    def __init__(self, **named: Any) -> None:
        super().__init__(path_type=Path, **named)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The path, or a usage error."""
        from pipeline.settings import expand_home

        try:
            path = expand_home(os.fspath(value))
        except UsageError as error:
            self.fail(f"{error.message}; {error.hint}.", param, ctx)
        return super().convert(path, param, ctx)


class Text(click.types.StringParamType):
    """A text that can be looked up and sent; a path may be any bytes."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The text, or a usage error."""
        from pipeline.settings import is_utf8

        text = str(value)
        if not is_utf8(text):
            self.fail(f"{text!r} is not UTF-8.", param, ctx)
        return text


F = TypeVar("F", bound=Callable[..., Any])

MANIFEST = click.argument(
    "manifest",
    type=HomePath(dir_okay=False),
    metavar="MANIFEST",
)


def _find_manifests(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: tuple[Path, ...],
) -> tuple[Path, ...]:
    """The manifests that were named, with quoted patterns such as ``'*.yaml'``.

    A shell that expands a pattern names the review files beside the manifests too; if
    there are several names, those are left out.
    """
    found = [path for named in value for path in _matches(named)]
    if len(found) == 1:
        return tuple(found)
    return tuple(path for path in found if not _is_review(path, found))


def _is_review(path: Path, manifests: Iterable[Path]) -> bool:
    """Whether this is the review file of one of the manifests."""
    return any(
        path.parent == one.parent and path.name.startswith(f"{one.stem}.review.")
        for one in manifests
    )


def _matches(named: Path) -> list[Path]:
    if not any(sign in os.fspath(named) for sign in "*?[") or named.exists():
        return [named]
    found = sorted(Path(path) for path in glob(os.fspath(named)))  # noqa: PTH207 - also absolute
    if not found:
        raise UsageError(
            f"no file matches {named}", hint="check the pattern, and the current folder"
        )
    return found


MANIFESTS = click.argument(
    "manifests",
    type=HomePath(dir_okay=False),
    metavar="MANIFEST...",
    nargs=-1,
    required=True,
    callback=_find_manifests,
)
ITEMS = click.argument("items", type=Text(), metavar="ITEM...", nargs=-1, required=True)
NOTE = click.option(
    "--note",
    type=Text(),
    default="",
    metavar="TEXT",
    help="A note for the review file.",
)
PROFILE = click.option(
    "--profile",
    type=Text(),
    default="",
    metavar="NAME",
    help="Use this profile of the manifest, with an output folder of its own.",
)
_PLACE = (
    PROFILE,
    click.option(
        "--output",
        "-o",
        type=HomePath(file_okay=False),
        metavar="DIR",
        help="Folder for the files.  [default: output/<manifest name>]",
    ),
    click.option(
        "--emulate",
        is_flag=True,
        help="Use the built-in emulator: needs no credentials and spends nothing.",
    ),
)
SELECT = click.option(
    "--select",
    "-s",
    multiple=True,
    metavar="GLOB",
    help="Only items whose id matches, such as 'tree-*'; repeatable.",
)


def _shard(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> Any:
    from pipeline.planning.shards import parse_shard

    return None if value is None else parse_shard(value)


SHARD = click.option(
    "--shard",
    metavar="K/N",
    callback=_shard,
    help="Only the Kth of N parts of the items, with its share of the budget.",
)


_SELECTION = (
    SELECT,
    SHARD,
    click.option(
        "--only",
        type=click.Choice(["rejected", "approved"]),
        help="Only items whose chosen take, or other takes, are rejected or approved.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="Only the first N items that are not done yet.",
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
    help="Price of a compute unit, such as 0.012EUR, to show money beside units.",
)
STORE = click.option(
    "--store",
    type=Text(),
    default="",
    metavar="URL",
    help="Where the files are: s3://bucket/prefix, gs://…, az://… or file:///folder.",
)
EXECUTOR = click.option(
    "--executor",
    type=Text(),
    default="",
    metavar="WHERE",
    envvar=EXECUTOR_VARIABLE,
    help="Download and process in processes:N, dask:local or dask:tcp://host:8786.",
)
PICTURES = click.option(
    "--pictures",
    is_flag=True,
    help="Show thumbnails, in a terminal that can.",
)
AS_NEW = click.option(
    "--as-new",
    is_flag=True,
    help="Pay for items that may be one of several old ones under a new name.",
)
FORCE = click.option(
    "--force", is_flag=True, help="Generate the selected items again; needs --select."
)
ALLOW_OUTSIDE = click.option(
    "--allow-outside",
    is_flag=True,
    help="Allow references outside the manifest's folder.",
)
OFFLINE = click.option(
    "--offline", is_flag=True, help="Do not ask the service for model tables or prices."
)
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON lines to stdout."
)
JUNIT = click.option(
    "--junit",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Write a JUnit report at the end: one case for each item.",
)
# Of what a run may submit; ``fetch`` submits nothing.
_SPENDING = (
    click.option(
        "--max-jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="At most N jobs in flight, even if the service allows more.",
    ),
    click.option(
        "--max-cost",
        metavar="CU",
        help="Spend at most this many compute units on this manifest in total.",
    ),
    click.option(
        "--submit-timeout",
        type=FiniteRange(min=1),
        metavar="SECONDS",
        help="Wait this long for the answer to a submit.  [default: 60]",
    ),
    click.option(
        "--fail-threshold",
        metavar="N|P%",
        help="Stop submitting once N items, or more than P percent, have failed.",
    ),
    click.option(
        "--fail-fast",
        is_flag=True,
        help="Stop submitting once one item has failed.",
    ),
    click.option(
        "--max-pause",
        metavar="DURATION",
        help="Longest pause of submits to wait out, such as 90s or 1h.  [default: 1h]",
    ),
    click.option(
        "--unchecked",
        is_flag=True,
        help="Submit even if the inputs of a model are unknown.",
    ),
    click.option(
        "--allow-unpriced",
        is_flag=True,
        help="Submit even if the service quotes a price of 0, or none.",
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask before spending."),
)
_RUNNING = (
    click.option(
        "--job-timeout",
        type=FiniteRange(min=1),
        metavar="SECONDS",
        help="Stop waiting for a job after this time.  [default: 1800]",
    ),
    click.option(
        "--settle",
        type=FiniteRange(min=0),
        metavar="SECONDS",
        help="Look this long for the job of a lost submit.  [default: 90]",
    ),
    click.option(
        "--rpm",
        type=click.IntRange(min=0),
        metavar="N",
        help="At most N API requests per minute; 0 for no limit.  [default: 95]",
    ),
    click.option(
        "--deadline",
        metavar="DURATION",
        help="Stop submitting after this time, such as 45m or 2h, but keep collecting.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="Stop when the service drops or changes an input.",
    ),
    click.option(
        "--keep-old",
        is_flag=True,
        help="Keep replaced files under another name, such as oak.old-1.png.",
    ),
    click.option(
        "--no-lock-file",
        is_flag=True,
        help="Do not write the lock file beside the manifest.",
    ),
    click.option(
        "--report",
        is_flag=True,
        help="Write the gallery afterwards, as report: true in the manifest does.",
    ),
    EXECUTOR,
    PICTURES,
    click.option("--quiet", "-q", is_flag=True, help="Print only errors."),
    click.option("--debug", is_flag=True, help="Log every exchange to stderr."),
    click.option(
        "--log-file",
        type=HomePath(dir_okay=False),
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
spending_options = _all((*_SPENDING, CU_PRICE))
running_options = _all(_RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run; ``None`` for what the command line does not set."""

    output: Path | None
    emulate: bool
    profile: str
    allow_outside: bool
    as_json: bool
    strict: bool
    job_timeout: float | None
    settle: float | None
    rpm: int | None
    deadline: str | None
    keep_old: bool
    pictures: bool
    no_lock_file: bool
    quiet: bool
    debug: bool
    log_file: Path | None
    report: bool = False
    select: tuple[str, ...] = ()
    shard: Any = None
    limit: int | None = None
    verify: bool = False
    only: str | None = None
    max_jobs: int | None = None
    max_cost: str | None = None
    cu_price: CuPrice | None = None
    submit_timeout: float | None = None
    max_pause: str | None = None
    fail_threshold: str | None = None
    fail_fast: bool = False
    unchecked: bool = False
    allow_unpriced: bool = False
    yes: bool = False
    force: bool = False
    as_new: bool = False
    saved_plan: Path | None = None
    frozen: bool = False
    junit: Path | None = None
    store: str = ""
    executor: str = ""
