"""``init``: answers, or none → a first manifest, and what to type next."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pipeline.cli.console.asking import ask as ask_user
from pipeline.cli.console.printing import print_note, say
from pipeline.cli.console.text import one_line, size
from pipeline.clock import SystemClock
from pipeline.counting import plural
from pipeline.errors import ExitCode, ManifestError, UsageError
from pipeline.manifest.row_ids import IdParts
from pipeline.models.schema import ModelSchema
from pipeline.operations import init_pictures
from pipeline.operations.connection import offline_catalog
from pipeline.operations.init import (
    choose_file,
    draft_of_prompts,
    ids_for,
    size_for,
    write_first_manifest,
)
from pipeline.operations.init_sheet import (
    Sheet,
    draft_of_sheet,
    is_sheet,
    read_sheet,
)
from pipeline.operations.init_text import (
    DEFAULT_LOOK,
    DEFAULT_MODEL,
    DEFAULT_PROMPTS,
    SCHEMA_NAME,
    Draft,
)

_MOST_SHOWN = 20  # files that are left out
_MANY_FILES = 50  # so many take a while
_LARGE_BYTES = 2_000_000  # the same; 100,000 rows of 70 characters take 10 s
_NO_LOOK = "none"

T = TypeVar("T")
Ask = Callable[[str, str], str]  # question, default → answer


def init_command(
    file: Path | None, *, source: Path | None, model: str | None, yes: bool
) -> ExitCode:
    """Write a manifest, and print what was left out and what to type next."""
    file = choose_file(file, source)
    catalog = offline_catalog(SystemClock(), os.environ)
    ask = _take_default if yes or not _is_terminal() else ask_user
    model_id = model or ask("Model", DEFAULT_MODEL)
    schema = catalog.find(model_id)
    left_out: Mapping[str, str] = {}
    if source is None:
        draft = _from_questions(ask, model_id, schema)
    elif is_sheet(source):
        _tell_size(source)
        draft = _from_sheet(ask, read_sheet(source, _folder_of(file)), model_id, schema)
    elif source.is_dir() or source.is_file():
        found = init_pictures.find_pictures(source, _folder_of(file), on_file=_told)
        draft = _from_pictures(ask, found, model_id, schema)
        left_out = found.left_out
    else:
        raise UsageError(
            f"there is no {source}",
            hint="name a folder of pictures, or a .csv, .tsv or .xlsx file",
        )
    try:
        manifest, count, has_new_schema = write_first_manifest(
            file, draft, models=catalog.find
        )
    except ManifestError:
        print_note(f"{file} is not written yet, because of this:")
        raise
    _print_left_out(left_out)
    for note in (*draft.notes, *manifest.warnings, *manifest.files.notes):
        print_note(note)
    say(f"{file}: {plural(count, 'item')}, no faults")
    if has_new_schema:
        schema_file = file.with_name(SCHEMA_NAME)
        say(f"{schema_file}: with it, an editor completes and checks the manifest")
    name = shlex.quote(os.fspath(file))
    say("next, free and without a key:")
    say(f"  pipeline plan {name} --emulate")
    say(f"  pipeline run {name} --emulate")
    return ExitCode.OK


def _from_questions(ask: Ask, model_id: str, schema: ModelSchema | None) -> Draft:
    look = _ask_look(ask, DEFAULT_LOOK)
    return draft_of_prompts(
        _ask_prompts(ask), model_id=model_id, model=schema, look=look
    )


def _from_sheet(
    ask: Ask, sheet: Sheet, model_id: str, schema: ModelSchema | None
) -> Draft:
    prompt = _choose(ask, "Column with the prompts", {n: n for n in sheet.prompts})
    ids: dict[str, IdParts] = {}
    for parts in sheet.ids:
        ids.setdefault("/".join(one.name for one in parts), parts)
    item_id = _choose(ask, "Column that names the files", ids)
    return draft_of_sheet(
        sheet,
        model_id=model_id,
        model=schema,
        params=size_for(schema),
        look=_ask_look(ask, _NO_LOOK),
        item_id=item_id,
        prompt=prompt,
    )


def _from_pictures(
    ask: Ask, found: init_pictures.Found, model_id: str, schema: ModelSchema | None
) -> Draft:
    into = init_pictures.find_picture_input(schema, model_id)
    count = len(found.pictures)
    use = "each" if count > 1 else "style"
    if count > 1:
        question = f"Change each of the {count} pictures, or make others in their style"
        use = _choose(ask, question, {"each": "each", "style": "style"})
    if use == "each":
        return init_pictures.draft_of_each(
            found,
            into,
            model_id=model_id,
            params=size_for(schema),
            look=_ask_look(ask, init_pictures.DEFAULT_LOOK),
        )
    return init_pictures.draft_of_style(
        found,
        into,
        model_id=model_id,
        params=size_for(schema),
        prompts=ids_for(_ask_prompts(ask)),
    )


# --- questions --------------------------------------------------------------------


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _take_default(_question: str, default: str) -> str:
    return default


def _folder_of(file: Path) -> Path:
    return Path(os.path.abspath(file)).parent  # noqa: PTH100 - links stay as they are


def _tell_size(sheet: Path) -> None:
    """Say that a large sheet takes a while."""
    size_bytes = sheet.stat().st_size if sheet.is_file() else 0
    if size_bytes >= _LARGE_BYTES:
        say(f"reading {sheet}, {size(size_bytes)}", err=True)


def _told(done: int, count: int) -> None:
    """Say that many pictures take a while."""
    if count >= _MANY_FILES and done % _MANY_FILES == 0:
        say(f"looking at {count:,} files: {done:,} done", err=True)


def _print_left_out(left_out: Mapping[str, str]) -> None:
    for path in list(left_out)[:_MOST_SHOWN]:
        say(f"left out: {one_line(f'{path}: {left_out[path]}', 400)}", err=True)
    if (more := len(left_out) - _MOST_SHOWN) > 0:
        say(f"left out: {plural(more, 'more file')}", err=True)


def _ask_look(ask: Ask, default: str) -> str:
    answer = ask("Words that all prompts share (none for none)", default)
    return "" if answer.lower() == _NO_LOOK else answer


def _ask_prompts(ask: Ask) -> list[str]:
    """One prompt a line; the examples if there is none."""
    found: list[str] = []
    question = "A picture to make (Enter for three examples)"
    while answer := ask(question, ""):
        found.append(answer)
        question = "Another one (Enter if these are all)"
    return found or list(DEFAULT_PROMPTS)


def _choose(ask: Ask, question: str, choices: Mapping[str, T]) -> T:
    """One of the choices, of which the first is the default."""
    names = list(choices)
    if len(names) == 1:
        return choices[names[0]]
    shown = ", ".join(names)
    while True:
        answer = ask(f"{question} ({shown})", names[0])
        if answer in choices:
            return choices[answer]
        say(f"there is no {one_line(answer)}; choose one of: {shown}", err=True)
