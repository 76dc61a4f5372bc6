"""Questions on the terminal; Ctrl-C ends them at any moment."""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from pipeline.cli.console.printing import find_width
from pipeline.cli.console.text import wrapped

is_open = threading.Event()  # set while a question waits for its answer


def agree(question: str) -> None:
    """Ask on stderr; anything but yes means no.

    Raises:
        click.Abort: The answer is no, or Ctrl-C.
    """
    is_open.set()
    try:
        _agree(question)
    finally:
        is_open.clear()


def _agree(question: str) -> None:
    if not _can_wait():
        click.confirm(question, abort=True, err=True)
        return
    if _read_line(f"{question} [y/N]:").strip().lower() not in {"y", "yes"}:
        raise click.Abort


def ask(question: str, default: str) -> str:
    """Ask on stderr for a line.

    Args:
        question: Without a colon.
        default: What an empty line means; shown unless it is empty.

    Raises:
        click.Abort: Ctrl-C, or the end of the input.
    """
    if not _can_wait():
        shows = bool(default)
        answer = click.prompt(question, default=default, show_default=shows, err=True)
        return str(answer).strip()
    shown = f" [{default}]" if default else ""
    answer = _read_line(f"{question}{shown}:")
    if not answer:  # the end of the input
        raise click.Abort
    return answer.strip() or default


def _can_wait() -> bool:
    """Whether a read can wait for a signal too."""
    return os.name == "posix" and (
        threading.current_thread() is threading.main_thread()
    )


def _read_line(prompt: str) -> str:
    width = find_width(err=True)
    shown = prompt if width is None else wrapped(prompt, width - 1)
    try:
        with _interruptions() as interrupted:
            click.echo(f"{shown} ", nl=False, err=True)
            # A blocking read would miss a signal that arrives just before it.
            select.select([sys.stdin, interrupted], [], [])
            return sys.stdin.readline()
    except KeyboardInterrupt:
        click.echo(err=True)
        raise click.Abort from None


@contextmanager
def _interruptions() -> Iterator[int]:
    """A descriptor that becomes readable on a signal; an event loop has its own.

    Within the block, SIGINT raises KeyboardInterrupt.
    """
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    previous_descriptor = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield receiver
    finally:
        with suppress(KeyboardInterrupt):  # the answer is already no
            signal.signal(signal.SIGINT, previous)
        signal.set_wakeup_fd(previous_descriptor)
        os.close(receiver)
        os.close(sender)
