"""``gallery``: a manifest and its files → a page that opens from disk."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import printable
from pipeline.cli.loading import load_opened
from pipeline.cli.next_step import complete_hint
from pipeline.clock import SystemClock
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.operations.gallery import PageOptions, write_gallery_shown


def gallery_command(
    manifest: Path,
    *,
    emulate: bool,
    allow_outside: bool,
    out: Path | None,
    cu_price: CuPrice | None,
    opens: bool,
    as_json: bool,
    **place: Any,
) -> ExitCode:
    """Write the gallery of a manifest, and say where it is."""
    loaded, store = load_opened(
        manifest, emulate=emulate, allow_outside=allow_outside, **place
    )
    options = page_options(cu_price)
    written = run_shown(
        lambda activity: write_gallery_shown(
            loaded,
            store,
            activity=activity,
            emulate=emulate,
            now=SystemClock().utc_now(),
            folder=out,
            allow_outside=allow_outside,
            options=options,
        )
    )
    page = str(written.page)
    if as_json:
        print_json(
            event="gallery",
            page=page,
            items=written.items,
            thumbnails_made=written.drawn,
            size_bytes=written.size_bytes,
        )
    else:
        say(printable(f"{page}: {plural(written.items, 'item')}"))
    if opens:
        webbrowser.open(written.page.absolute().as_uri())
    return ExitCode.OK


def page_options(cu_price: CuPrice | None) -> PageOptions:
    """What a page says because of the options of the current command."""
    context = click.get_current_context()

    def complete(hint: str, item_id: str) -> str:
        with context.scope(cleanup=False):  # a page may be written in another thread
            return complete_hint(hint, item_id)

    return PageOptions(
        price=None if cu_price is None else (float(cu_price.amount), cu_price.currency),
        complete_hint=complete,
    )
