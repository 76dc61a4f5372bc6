"""Progress → a live display on a terminal, to stderr. Imports rich, which is slow."""

import sys
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from pipeline.cli.console.live_view import Canvas, LiveView
from pipeline.cli.console.money import CuPrice
from pipeline.cli.console.screen import CompleteHint, as_it_is, of_item
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import one_line, printable, wrapped
from pipeline.cli.console.waiting import OutageNews
from pipeline.running.events import Event, Halted, Warned
from pipeline.running.progress import Progress

_REFRESHES_PER_S = 8
_SIGNS = {"x ": "bold red", "! ": "bold magenta"}


class LiveScreen:
    """A picture of the run, drawn again several times a second; see ``live_view``."""

    def __init__(
        self,
        progress: Progress,
        *,
        title: str,
        emulated: bool,
        price: CuPrice | None = None,
        on_hint: CompleteHint = as_it_is,
    ) -> None:
        self._progress = progress
        self._outage = OutageNews(progress)
        self._on_hint = on_hint
        self._view = LiveView(
            title=title, emulated=emulated, price=price, on_hint=on_hint
        )
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=_REFRESHES_PER_S,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def take(self, event: Event) -> None:
        """Print what the live display does not show."""
        match event:
            case Halted():
                self.say(f"stopped submitting: {one_line(event.reason, 400)}")
                if event.hint:
                    self.say(f"  next: {one_line(self._on_hint(event.hint), 400)}")
            case Warned():
                self.say(f"warning: {of_item(event)}")

    def beat(self) -> None:
        """Print when an outage begins and ends; the display shows the rest."""
        if news := self._outage.find():
            self.say(news)

    def say(self, text: str) -> None:
        """Print a line."""
        with tolerate_closed_pipe(sys.stderr):
            # Wrapped here, for the same indents as on a plain terminal.
            self._console.print(_styled(wrapped(printable(text), self._console.width)))

    def _render(self) -> RenderableType:
        console = self._console
        canvas = Canvas(
            width=console.width,
            height=console.height,
            is_unicode=console.encoding.startswith("utf"),
        )
        return Group(*self._view.render(self._progress, canvas))


def _styled(text: str) -> Text:
    """A line as it is printed: failures and the next command stand out."""
    shown = Text(text)
    sign = text[:2]
    if sign in _SIGNS:
        shown.stylize(_SIGNS[sign], 0, 1)
    shown.highlight_words(["next:", "warning:", "stopped submitting:"], "bold")
    return shown
