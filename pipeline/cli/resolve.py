"""``resolve``: the jobs that may belong to an unsure item, and the user's decision."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.api.interface import RemoteJob
from pipeline.cli.console.heartbeat import run_shown
from pipeline.cli.console.printing import say
from pipeline.cli.console.streams import write_unchanged
from pipeline.cli.console.text import one_line, printable
from pipeline.cli.loading import load
from pipeline.cli.next_step import command_line
from pipeline.counting import plural
from pipeline.errors import ExitCode, UsageError
from pipeline.job import Job
from pipeline.operations.resolve import (
    Candidate,
    Resolution,
    find_candidates,
    find_link,
    resolve,
)

_SHOWN = 6  # candidates shown side by side
_CELL = 60  # characters of a value


def resolve_command(
    manifest: Path,
    item: str,
    *,
    adopt: str | None,
    resubmit: bool,
    give_up: bool,
    link: str | None,
    emulate: bool,
    **place: Any,
) -> ExitCode:
    """Show the candidates, or record the decision; a later run acts on it."""
    chosen = [adopt is not None, resubmit, give_up, link is not None]
    if sum(chosen) > 1:
        raise UsageError(
            "resolve takes one of --adopt JOB, --resubmit, --give-up and --link JOB",
            hint="without any of them, it shows what there is to decide",
        )
    _, folder = load(manifest, emulate=emulate, **place)
    if link is not None:
        return _print_link(folder, link, emulate=emulate)
    if not any(chosen):
        job, found = run_shown(partial(find_candidates, folder, item, emulate=emulate))
        command = printable(command_line("resolve", item_id=item))
        _show(job, found, command, run=printable(command_line("run")))
        return ExitCode.OK
    kind = (Resolution.ADOPT, Resolution.RESUBMIT, Resolution.GIVE_UP)[
        chosen.index(True)
    ]
    job = run_shown(
        partial(resolve, folder, item, kind, remote_id=adopt or "", emulate=emulate)
    )
    say(f"{one_line(job.item_id)}: {job.status}")
    if kind is not Resolution.GIVE_UP:
        say(f"next: {printable(command_line('run'))}")
    return ExitCode.OK


def _print_link(folder: Path, remote_id: str, *, emulate: bool) -> ExitCode:
    url = run_shown(partial(find_link, folder, remote_id, emulate=emulate))
    if url is None:
        raise UsageError(
            f"job {remote_id} has no picture yet",
            hint="ask again when it has ended",
        )
    write_unchanged(url)
    return ExitCode.OK


def _show(job: Job, found: Sequence[Candidate], command: str, *, run: str) -> None:
    why = f": {one_line(job.failure.reason)}" if job.failure else ""
    say(f"{one_line(job.item_id)} is {job.status}{why}")
    if job.remote_id is not None:
        say(f"its job is {job.remote_id}; the next run checks it again, free")
    elif not found:
        say("the service lists no job that may have come from its submit")
    else:
        say(f"{plural(len(found), 'job')} may have come from its submit:\n")
        _print_table(job, found[:_SHOWN])
        if len(found) > _SHOWN:
            say(f"and {plural(len(found) - _SHOWN, 'job')} more")
    say("")
    if found:
        best = found[0].remote.remote_id
        say(f"see one:       {command} --link {best}")
        say(f"take one over: {command} --adopt {best}")
    say(f"look again:    {run}    (free)")
    say(f"pay again:     {command} --resubmit")
    say(f"leave it:      {command} --give-up")


def _print_table(job: Job, found: Sequence[Candidate]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sent = dict(job.request or {})
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("asked for", overflow="fold")
    for number, one in enumerate(found, start=1):
        # An id is too wide for a column, so it is printed above the table.
        say(f"  {number}  {one_line(one.remote.remote_id)}")
        table.add_column(str(number), overflow="fold")
    say("")

    def add(name: str, asked: object, tell: Callable[[RemoteJob], object]) -> None:
        cells = [_cell(asked), *(_cell(tell(one.remote)) for one in found)]
        table.add_row(name, *map(Text, cells))

    add("status", "", lambda remote: remote.status_text)
    add("made at", job.sent_at, lambda remote: remote.created_at)
    add("made by", "", lambda remote: remote.author_id)
    names = ["prompt", "seed", "size"]
    names = [name for name in names if name in sent] + [
        name for name in sorted(sent) if name not in names
    ]
    for name in names:
        add(name, sent[name], lambda remote, name=name: remote.inputs.get(name, ""))  # type: ignore[misc]
    add("units", job.quoted, lambda remote: remote.charged)
    differs = (", ".join(one.differs_in) or "nothing" for one in found)
    table.add_row("differs in", "", *(Text(_cell(text)) for text in differs))
    Console(highlight=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S"))
    return one_line(str(value), _CELL)
