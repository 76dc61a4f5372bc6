"""``why``: what is known about one item → text for a person, or JSON lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

from pipeline.assets.checks.recorded import Finding
from pipeline.cli.console.money import CuPrice, priced
from pipeline.cli.console.printing import find_width, print_json, say
from pipeline.cli.console.text import one_line, printable
from pipeline.cli.loading import load_opened
from pipeline.cli.next_step import command_line
from pipeline.clock import format_utc
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.job import (
    UNFINISHED,
    ItemOutput,
    Job,
    JobStatus,
    JsonValue,
    ParamValue,
    ReferenceAsset,
)
from pipeline.models.wording import plain
from pipeline.operations.why import (
    CheckedFile,
    Explanation,
    Input,
    TakeHistory,
    explain,
)
from pipeline.planning import Action
from pipeline.units import units_number

WIDTH = 80
_WIDE = 60  # columns from which a text has room beside its label
_LABEL = 12  # in characters, before two spaces
_LONGEST = 10_000  # in characters, of one value
_DOES = {
    Action.RENAME: "a run renames its files, free",
    Action.SUBMIT: "a run submits it and pays for it",
    Action.WAIT: "a run makes what it needs first",
    Action.SETTLE: "a run finds out what became of its submit, free",
    Action.COLLECT: "a run waits for its job, free",
    Action.FETCH: "a run downloads it again, free",
    Action.DONE: "a run leaves it alone",
    Action.ASK: "a run asks which item it was before",
    Action.SKIP: "a run leaves it alone",
}
_NEXT = {
    Action.RENAME: ("run", "renames its files, free"),
    Action.SUBMIT: ("run", "makes it and pays for it"),
    Action.WAIT: ("run", "makes what it needs, and then the item; pays for both"),
    Action.SETTLE: ("run", "looks for its job; pays again only if it never arrived"),
    Action.COLLECT: ("run", "waits for its job, free"),
    Action.FETCH: ("fetch", "downloads it, free"),
    Action.SKIP: ("rerun", "tries the same again and pays; or change the item first"),
}
_FOUND = {
    Finding.OK: "unchanged",
    Finding.MISSING: "MISSING",
    Finding.CHANGED: "CHANGED",
    Finding.BROKEN: "BROKEN",
}
_IN_FLIGHT = UNFINISHED | {JobStatus.SUCCEEDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A command to run next, and what it does."""

    command: str
    why: str


def why_command(
    manifest: Path,
    item: str,
    *,
    emulate: bool,
    as_json: bool,
    cu_price: CuPrice | None,
    pictures: bool,
    **place: Any,
) -> ExitCode:
    """Print everything about one item, and what to run next."""
    loaded, store = load_opened(manifest, emulate=emulate, **place)
    about = explain(loaded, store, item, emulate=emulate)
    steps = list(_steps(about))
    if as_json:
        _print_events(about, steps)
        return ExitCode.OK
    for line in render(about, cu_price):
        say(line)
    if pictures:
        _show_pictures(about)
    say()
    if not steps:
        say("next: nothing to do")
    for number, step in enumerate(steps):
        say(f"{'or' if number else 'next'}: {step.command}")
        say(f"    {step.why}")
    return ExitCode.OK


def _show_pictures(about: Explanation) -> None:
    from pipeline.cli.console.pictures.sheet import is_picture, show_pictures

    files = (
        file.asset.path for file in about.files if file.finding is not Finding.MISSING
    )
    show_pictures([about.store.file(path) for path in files if is_picture(path)])


# --- what to do next ----------------------------------------------------------


def _steps(about: Explanation) -> Iterator[_Step]:
    def command(name: str, *more: str) -> str:
        return printable(command_line(name, *more, item_id=about.item_id))

    this = ("--select", about.item_id)
    planned = about.planned
    if planned is not None and planned.action in _NEXT:
        name, why = _NEXT[planned.action]
        yield _Step(command=command(name, *this), why=why)
    if planned is None and about.attempts[-1].status in _IN_FLIGHT:
        why = "settles and collects what is in flight"
        yield _Step(command=command("run"), why=why)
    if about.renamed_to:
        why = "renames its files, free"
        yield _Step(command=command("run", "--select", about.renamed_to), why=why)
    if about.is_unsure:
        yield _Step(
            command=f"{command('resolve')} --adopt JOB | --resubmit | --give-up",
            why="if you have found out about its job in the web app",
        )
    is_done = planned is not None and planned.action is Action.DONE
    if is_done and any(file.finding is not Finding.OK for file in about.files):
        yield _Step(
            command=command("fetch", *this),
            why="restores what was made, free, once you have deleted the changed file;"
            " or keep your edit",
        )


# --- text ---------------------------------------------------------------------


def render(about: Explanation, price: CuPrice | None = None) -> Iterator[str]:
    """The text for a person, without the next command; most lines fit 80 columns."""
    planned = about.planned
    if about.emulated:
        yield "EMULATED: nothing is real, nothing was paid"
    if planned is None:
        yield from _wrapped(f"{about.item_id}: {_orphan_text(about)}")
    else:
        does = _DOES.get(planned.action, str(planned.action))
        yield from _wrapped(f"{about.item_id}: {planned.reason}; {does}")
        yield ""
        yield from _asked(about)
    yield ""
    if about.attempts:
        yield "history, times in UTC"
        for job in about.attempts:
            yield from _attempt(about, job, price)
    else:
        yield "history: never submitted"
    if about.takes:
        yield ""
        yield "takes"
        for take in about.takes:
            yield from _field(f"take {take.take}", _take_text(take, price))
    if about.files:
        yield ""
        yield f"files in {one_line(about.store.describe())}"
        for file in about.files:
            yield from _file(file)


def _take_text(take: TakeHistory, price: CuPrice | None) -> str:
    if take.is_chosen:
        said = "the chosen one"
    else:
        said = "wanted" if take.is_wanted else "not wanted any more"
    job = take.job
    if job is None:
        return "\n".join((f"{said}, not made yet", *take.decisions))
    seed = "" if job.seed is None else f", seed {job.seed}"
    made = ", ".join(job.remote_assets) or str(job.status)
    cost = _cost(job, price)
    return "\n".join(
        (f"{said}{seed}", f"{made}{cost and f', {cost}'}", *take.decisions)
    )


def _orphan_text(about: Explanation) -> str:
    if about.renamed_to:
        return f"renamed to {about.renamed_to}; a run renames its files, free"
    return "an orphan: in the ledger but not in the manifest; a run does not make it"


def _asked(about: Explanation) -> Iterator[str]:
    planned = about.planned
    assert planned is not None
    item = planned.item
    where = item.place
    if item.template_id != item.item_id:
        where += f", as {item.template_id}"
    yield from _field("defined at", where)
    named = about.model is not None and about.model.name != item.model_id
    name = f" ({about.model.name})" if named and about.model is not None else ""
    yield from _field("model", item.model_id + name)
    yield from _field("key", planned.job.job_key)
    if item.parents:
        yield from _field("uses", ", ".join(item.parents))
    if planned.outputs > 1:
        yield from _field("outputs", f"{planned.outputs:,}")
    yield ""
    yield "inputs"
    for given in about.inputs:
        if given.is_sent:
            yield from _field(given.name, _input_text(about, given))
    left = [given for given in about.inputs if not given.is_sent]
    if left:
        yield "left to the model's defaults"
        for given in left:
            yield from _field(given.name, _value_text(about, given.value))


def _input_text(about: Explanation, given: Input) -> str:
    text = _value_text(about, given.value)
    planned = about.planned
    if given.name == "seed" and planned is not None and planned.derived_seed:
        return f"{text} (derived from the item's id; not in the key)"
    return f"{text} (the model's default)" if given.is_default else text


def _value_text(about: Explanation, value: ParamValue) -> str:
    if isinstance(value, ReferenceAsset):
        known = about.uploads.get(value.sha256)
        held = f"uploaded as {known}" if known else "not uploaded yet"
        name = "" if value.name == str(value.path) else f"{value.name}: "
        return (
            f"{name}{_near(value.path)}, {plural(value.size_bytes, 'byte')}"
            f"{', turned upright' if value.upright else ''}\n"
            f"{value.sha256}\n{held}"
        )
    if isinstance(value, ItemOutput):
        made = value.asset_id or "not made yet"
        return f"output {value.index} of {value.item_id}: {made}"
    if isinstance(value, list):
        return "\n".join(_value_text(about, element) for element in value) or "[]"
    if isinstance(value, dict):
        shown = (f"{name}: {_value_text(about, one)}" for name, one in value.items())
        return "\n".join(shown) or "{}"
    return plain(value)


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _attempt(about: Explanation, job: Job, price: CuPrice | None) -> Iterator[str]:
    status = str(job.status)
    if job.failure is not None and job.failure.kind is not None:
        status += f" ({job.failure.kind})"
    if job.item_id != about.item_id:
        status += f", as {job.item_id}"
    yield from _field(f"attempt {job.attempt}", status)
    for label, text in _details_of(about, job, price):
        if text:
            yield from _field(f"  {label}", text)


def _details_of(
    about: Explanation, job: Job, price: CuPrice | None
) -> Iterator[tuple[str, str]]:
    """Labels and texts; a text is empty if there is nothing to say."""
    if not about.asks_the_same(job):
        names = ", ".join(about.differences.get(job.row_id, ()))
        yield "asked for", f"something else than now{names and f': {names}'}"
    yield "job", job.remote_id or ""
    if job.is_taken_over:
        yield "source", "made by another run for the same request, and taken over"
    yield "times", _times(job)
    yield "units", _cost(job, price)
    if job.failure is not None:
        yield "reason", job.failure.reason
        yield "hint", job.failure.hint
        yield "trace id", job.failure.trace_id
    for name, value in (job.echo or {}).items():
        yield "echo", _echo_text(job, name, value)
    if not job.assets:
        yield "made", ", ".join(job.remote_assets)


def _times(job: Job) -> str:
    said: list[str] = []
    day = ""
    for word, moment in (
        ("sent", job.sent_at),
        ("submitted", job.submitted_at),
        ("finished", job.finished_at),
        ("saved", job.saved_at),
    ):
        if moment is not None:
            date, clock = _moment(moment)
            said.append(f"{word} {clock if date == day else f'{date} {clock}'}")
            day = date
    return ", ".join(said)


def _moment(moment: datetime) -> tuple[str, str]:
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%d"), utc.strftime("%H:%M:%S")


def _cost(job: Job, price: CuPrice | None) -> str:
    said = [
        f"{word} {priced(units, price)}"
        for word, units in (
            ("quoted", job.quoted),
            ("charged", job.charged),
            ("refunded", job.refunded),
        )
        if units is not None
    ]
    said += [
        f"{name} {priced(units, price)} of the charge"
        for name, units in sorted(job.addons.items())
        if units
    ]
    return ", ".join(said)


def _echo_text(job: Job, name: str, value: JsonValue) -> str:
    sent = plain((job.request or {}).get(name))
    if value is None:
        return f"{name}: sent {sent}; the service dropped it"
    return f"{name}: sent {sent}; the service has {plain(value)}"


def _file(file: CheckedFile) -> Iterator[str]:
    asset = file.asset
    made = [plural(asset.size_bytes, "byte")]
    if asset.width_px is not None and asset.height_px is not None:
        made.append(f"{asset.width_px:,} x {asset.height_px:,}")
    found = f"{_FOUND[file.finding]}{file.detail and f': {file.detail}'}"
    lines = [found, f"{', '.join(made)}, {asset.asset_id}"]
    if asset.original_sha256:
        lines.append(f"made from {asset.original_size_bytes:,} bytes: {asset.recipe}")
    lines += [f"{one.name}: {one.why or 'passed'}" for one in asset.checks]
    yield from _field(asset.path, "\n".join(lines))


def _field(label: str, text: str) -> Iterator[str]:
    """``label  text``, with the text wrapped; a long label has its own line."""
    head = f"  {one_line(label, WIDTH - 2) if label.strip() == label else label}"
    indent = " " * (_LABEL + 4)
    if (find_width() or WIDTH) < _WIDE:  # below the label, there is more room
        indent = " " * (len(head) - len(head.lstrip()) + 2)
    lines = list(_wrapped(text, len(indent)))
    if len(head) > len(indent) - 2:
        yield head
    else:
        yield f"{head:{len(indent)}}{lines[0]}".rstrip()
        lines = lines[1:]
    yield from (f"{indent}{line}".rstrip() for line in lines)


def _wrapped(text: str, indent: int = 0) -> Iterator[str]:
    """Wrapped lines of foreign text; keeps its line ends, and does not break words."""
    width = min(WIDTH, find_width() or WIDTH) - indent
    for line in printable(text)[:_LONGEST].splitlines() or [""]:
        yield from wrap(
            line, width, break_long_words=False, break_on_hyphens=False
        ) or [""]


# --- JSON lines ---------------------------------------------------------------


def _print_events(about: Explanation, steps: list[_Step]) -> None:
    for job in about.attempts:
        _print_attempt(about, job)
    for take in about.takes:
        made = take.job
        print_json(
            event="history",
            take=take.take,
            wanted=take.is_wanted,
            chosen=take.is_chosen,
            job_id=None if made is None else made.remote_id,
            asset_ids=[] if made is None else list(made.remote_assets),
            seed=None if made is None else made.seed,
            charged=None if made is None else units_number(made.charged),
            decisions=list(take.decisions),
        )
    for file in about.files:
        print_json(
            event="file",
            path=file.asset.path,
            finding=str(file.finding),
            detail=file.detail,
            size_bytes=file.asset.size_bytes,
            sha256=file.asset.sha256,
            asset_id=file.asset.asset_id,
            original_sha256=file.asset.content_sha256,
            checks={one.name: one.why for one in file.asset.checks},
            attempt=file.attempt,
        )
    planned = about.planned
    fields: dict[str, object] = {
        "item_id": about.item_id,
        "output": str(about.store.home),
        "emulated": about.emulated,
        "orphan": planned is None and not about.renamed_to,
        "renamed_to": about.renamed_to,
    }
    if planned is not None:
        fields |= {
            "action": str(planned.action),
            "reason": planned.reason,
            "file": planned.item.file,
            "line": planned.item.line,
            "model_id": planned.item.model_id,
            "job_key": planned.job.job_key,
            "outputs": planned.outputs,
            "derived_seed": planned.derived_seed,
            "inputs": [
                {
                    "name": given.name,
                    "value": _value_json(about, given.value),
                    "default": given.is_default,
                    "sent": given.is_sent,
                }
                for given in about.inputs
            ],
        }
    print_json(event="why", **fields, next=[step.command for step in steps])


def _value_json(about: Explanation, value: ParamValue) -> object:
    if isinstance(value, ReferenceAsset):
        return {
            "name": value.name,
            "path": str(value.path),
            "sha256": value.sha256,
            "upright": value.upright,
            "asset_id": about.uploads.get(value.sha256),
        }
    if isinstance(value, ItemOutput):
        return {
            "item_id": value.item_id,
            "output": value.index,
            "sha256": value.sha256 or None,
            "asset_id": value.asset_id or None,
        }
    if isinstance(value, list):
        return [_value_json(about, element) for element in value]
    if isinstance(value, dict):
        return {name: _value_json(about, inner) for name, inner in value.items()}
    return value


def _print_attempt(about: Explanation, job: Job) -> None:
    failure = job.failure
    units = {
        word: units_number(amount)
        for word, amount in (
            ("quoted", job.quoted),
            ("charged", job.charged),
            ("refunded", job.refunded),
        )
    }
    times = {
        word: None if moment is None else format_utc(moment)
        for word, moment in (
            ("sent_at", job.sent_at),
            ("submitted_at", job.submitted_at),
            ("finished_at", job.finished_at),
            ("saved_at", job.saved_at),
        )
    }
    print_json(
        event="attempt",
        item_id=job.item_id,
        attempt=job.attempt,
        status=str(job.status),
        job_id=job.remote_id,
        taken_over=job.is_taken_over,
        job_key=job.job_key,
        same_request=about.asks_the_same(job),
        differs_in=list(about.differences.get(job.row_id, ())),
        **times,
        **units,
        addons={name: units_number(taken) for name, taken in job.addons.items()},
        **{
            "class": None
            if failure is None or failure.kind is None
            else str(failure.kind)
        },
        reason="" if failure is None else failure.reason,
        hint="" if failure is None else failure.hint,
        trace_id="" if failure is None else failure.trace_id,
        echo=dict(job.echo or {}),
        asset_ids=list(job.remote_assets),
    )
