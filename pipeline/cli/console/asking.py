"""A question on the terminal: asked once; Ctrl-C means no at any moment."""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

is_open = threading.Event()  # set while a question waits for its answer


def agree(question: str) -> None:
    """Ask on stderr; anything but yes means no.

    Raises:
        click.Abort: The answer is no, or Ctrl-C.
    """
    is_open.set()
    try:
        _ask(question)
    finally:
        is_open.clear()


def _ask(question: str) -> None:
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        click.confirm(question, abort=True, err=True)
        return
    try:
        with _interruptions() as interrupted:
            click.echo(f"{question} [y/N]: ", nl=False, err=True)
            # A blocking read would miss a signal that arrives just before it.
            select.select([sys.stdin, interrupted], [], [])
            answer = sys.stdin.readline()
    except KeyboardInterrupt:
        click.echo(err=True)
        raise click.Abort from None
    if answer.strip().lower() not in {"y", "yes"}:
        raise click.Abort


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
