"""``view``: manifests → pages on this machine, until it is stopped."""

import asyncio
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import print_note, say
from pipeline.cli.console.streams import find_lost_result, tolerate_closed_pipe
from pipeline.cli.console.text import duration
from pipeline.cli.loading import load_opened
from pipeline.cli.options import RunOptions
from pipeline.cli.plan import parse_cost
from pipeline.cli.plan_all import refuse_for_several
from pipeline.cli.run_settings import settings_of
from pipeline.clock import Clock, SystemClock
from pipeline.counting import plural
from pipeline.errors import ExitCode, UsageError
from pipeline.manifest import Manifest
from pipeline.operations.gallery import Collector, PageOptions
from pipeline.operations.view.desk import ManifestDesk
from pipeline.operations.view.links import ServedLinks
from pipeline.operations.view.redoing import RedoOptions, Redos
from pipeline.operations.view.session import ViewSession
from pipeline.operations.view.spending import Spending
from pipeline.report.review.guard import is_loopback
from pipeline.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """The options of the command line."""

    edit: bool
    spend: str | None
    host: str
    port: int
    opens: bool
    cu_price: CuPrice | None
    output: Path | None
    store: str = ""
    emulate: bool
    profile: str
    allow_outside: bool


def view_command(manifests: Sequence[Path], options: ViewOptions) -> ExitCode:
    """Serve until SIGINT or SIGTERM."""
    if options.output is not None and len(manifests) > 1:
        raise UsageError(
            "--output is the folder of one manifest, and here are several",
            hint="leave it out, or view one manifest at a time",
        )
    if len(manifests) > 1:
        refuse_for_several(store=options.store)
    may_spend = parse_cost(options.spend, option="--spend") is not None
    if not is_loopback(options.host):
        may = ["read"] + ["decide"] * options.edit + ["spend"] * may_spend
        print_note(
            f"everybody who can reach this machine and knows the address may"
            f" {' and '.join(may)}; nothing is encrypted on the way"
        )
    return asyncio.run(_serve(manifests, options))


async def _serve(manifests: Sequence[Path], options: ViewOptions) -> ExitCode:
    session = await open_session(manifests, options, SystemClock())

    def begin(url: str) -> None:
        _print_address(url, options)
        if options.opens:
            # It may wait until the browser ends.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    with _signals(session):
        return await session.serve(begin)


async def open_session(
    manifests: Sequence[Path], options: ViewOptions, clock: Clock
) -> ViewSession:
    """What serves the manifests; each of them is read.

    Raises:
        UsageError: An amount of units is none.
        PipelineError: A manifest or a ledger cannot be read.
    """
    desks: list[ManifestDesk] = []

    def tell_spend() -> None:
        for desk in desks:
            desk.tell_spend()

    ceiling = parse_cost(options.spend, option="--spend")
    spending = None if ceiling is None else Spending(ceiling, tell_spend)
    for manifest in manifests:
        desk = _desk_of(manifest, options, clock)
        await desk.open()
        if spending is not None:
            desk.redos = Redos(
                _redo_options(manifest, desk.store.home, options, clock),
                spending,
                tell=desk.tell_run,
            )
        desks.append(desk)
    return ViewSession(desks, host=options.host, port=options.port, clock=clock)


def _desk_of(manifest: Path, options: ViewOptions, clock: Clock) -> ManifestDesk:
    def read() -> tuple[Manifest, Store]:
        return load_opened(
            manifest,
            store=options.store,
            output=options.output,
            emulate=options.emulate,
            allow_outside=options.allow_outside,
            profile=options.profile,
        )

    price = options.cu_price
    page = PageOptions(
        price=None if price is None else (float(price.amount), price.currency)
    )

    def collector(loaded: Manifest, store: Store, links: ServedLinks) -> Collector:
        return Collector(
            loaded,
            store,
            emulate=options.emulate,
            links=links,
            allow_outside=options.allow_outside,
            options=page,
        )

    return ManifestDesk(
        read, collector, emulate=options.emulate, can_edit=options.edit, clock=clock
    )


def _redo_options(
    manifest: Path, output: Path, options: ViewOptions, clock: Clock
) -> RedoOptions:
    settings = settings_of(
        RunOptions(
            output=options.output,
            emulate=options.emulate,
            profile=options.profile,
            allow_outside=options.allow_outside,
            as_json=False,
            strict=False,
            job_timeout=None,
            settle=None,
            rpm=None,
            deadline=None,
            keep_old=False,
            no_lock_file=False,
            pictures=False,
            quiet=True,
            debug=False,
            log_file=None,
        )
    )
    return RedoOptions(
        manifest=manifest,
        output=output,
        store=options.store,
        emulate=options.emulate,
        allow_outside=options.allow_outside,
        profile=options.profile,
        settings=settings,
        clock=clock,
    )


def _print_address(url: str, options: ViewOptions) -> None:
    does = "take decisions" if options.edit else "take no decisions"
    if options.spend is not None:
        what = "emulated units" if options.emulate else "units"
        does += f" and make again for at most {options.spend} {what}"
    with suppress(BrokenPipeError):  # who reads the address has read enough
        say(url)
        say(f"  the pages {does}; press Ctrl-C to stop")
    lost = find_lost_result()  # nobody could know its address
    if lost is not None:
        raise lost


@contextmanager
def _signals(session: ViewSession) -> Iterator[None]:
    """First SIGINT or SIGTERM: submit nothing more, and collect. Second: leave."""
    counted = 0
    loop = asyncio.get_running_loop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal counted
        counted += 1
        with suppress(RuntimeError):  # the loop has just ended: nothing to stop
            loop.call_soon_threadsafe(stop if counted == 1 else session.abandon)

    def stop() -> None:
        longest_s = session.stop()
        if longest_s:
            jobs = plural(session.in_flight, "job")
            with tolerate_closed_pipe(sys.stderr):
                say(
                    f"stopping: nothing more is submitted; {jobs} in flight will be"
                    f" collected, which takes at most {duration(longest_s)}; press"
                    " Ctrl-C again to leave at once",
                    err=True,
                )

    previous: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
