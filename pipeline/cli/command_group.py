"""The commands as click has them: their help, their patience, and their errors."""

import shutil
from collections.abc import Iterable
from typing import Any

import click

from pipeline.errors import PipelineError

# Commands that may compute for long and have no screen of their own.
_COMPUTING = frozenset(
    {
        "accept",
        "approve",
        "check",
        "graph",
        "pick",
        "prune",
        "reject",
        "show",
        "spend",
        "status",
        "validate",
        "verify",
        "why",
    }
)
_WIDE = 60  # columns from which the help of an option has room beside it
_NARROWEST = 20
_NARROW_COLUMN = 4
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 88}


class _Formatter(click.HelpFormatter):
    """On a narrow terminal, what an option does is below it, not beside it."""

    def __init__(
        self,
        indent_increment: int = 2,
        width: int | None = None,
        max_width: int | None = None,
    ) -> None:
        columns = shutil.get_terminal_size().columns
        if width is None and columns < _WIDE:  # click itself stops at 50
            width = max(_NARROWEST, columns - 1)
        super().__init__(indent_increment, width, max_width)

    def write_dl(
        self,
        rows: Iterable[tuple[str, str]],
        col_max: int = 30,
        col_spacing: int = 2,
    ) -> None:
        most = col_max if self.width >= _WIDE else _NARROW_COLUMN
        super().write_dl(rows, col_max=most, col_spacing=col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


class _Command(click.Command):
    """A command whose errors name the next command in full."""

    context_class = _Context

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.info_name not in _COMPUTING:
            return self._invoke(ctx)
        from pipeline.cli.console.patience import Patience

        with Patience(ctx.info_name or ""):
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            from pipeline.cli.next_step import complete_hint

            error.hint = complete_hint(error.hint)
            raise


class Commands(click.Group):
    """The group of all commands."""

    command_class = _Command
    context_class = _Context
