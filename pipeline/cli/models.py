"""``models``: the public models, one a line, or as JSON lines."""

import asyncio

from pipeline.cli.console.printing import print_json, print_note, say
from pipeline.cli.console.text import one_line
from pipeline.cli.schema import lay_out
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.models.public import FileInput, PublicModel
from pipeline.operations.models import FoundModels, find_models

_HEADING = ("model", "name", "makes", "files", "units", "plan")
_NAME_CHARS = 40
_UNBROKEN = 10_000  # characters: an id that is wrapped cannot be copied


def models_command(
    query: str | None, *, kind: str | None, limit: int, emulate: bool, as_json: bool
) -> ExitCode:
    """Print the public models that were asked for."""
    found = asyncio.run(
        find_models(query or "", kind=kind or "", limit=limit, emulate=emulate)
    )
    for note in found.notes:
        print_note(note)
    if as_json:
        _print_events(found)
        return ExitCode.OK
    if found.models:
        rows = [_HEADING, *map(_row, found.models)]
        for line in lay_out(rows, _UNBROKEN):
            say(line)
    print_note(_summary(found))
    return ExitCode.OK


def _row(model: PublicModel) -> tuple[str, ...]:
    files = "?" if model.files is None else ", ".join(map(_file_words, model.files))
    return (
        one_line(model.model_id),
        one_line(model.name, _NAME_CHARS),
        "lora" if model.is_lora else ", ".join(model.kinds) or "?",
        one_line(files) or "-",
        _units(model) or "?",
        one_line(model.plan) or "?",
    )


def _file_words(one: FileInput) -> str:
    """``image``, ``refs[]``, ``clip (video)``: the name, and a kind it does not say."""
    name = f"{one.name}[]" if one.is_list else one.name
    kind = one.kind or "any file"
    return name if kind in one.name.lower() else f"{name} ({kind})"


def _units(model: PublicModel) -> str:
    """The range of prices of one output: ``6`` or ``3-8``."""
    if model.least_units is None or model.most_units is None:
        return ""
    least, most = f"{model.least_units:.6g}", f"{model.most_units:.6g}"
    return least if least == most else f"{least}-{most}"


def _summary(found: FoundModels) -> str:
    shown = len(found.models)
    if shown == found.count:
        return plural(found.count, "model")
    return f"{shown:,} of {found.count:,} models; for more: --limit, or name words"


def _print_events(found: FoundModels) -> None:
    for model in found.models:
        print_json(
            event="public_model",
            model_id=model.model_id,
            name=model.name,
            kinds=[*model.kinds],
            lora=model.is_lora,
            files=None
            if model.files is None
            else [
                {"name": one.name, "kind": one.kind, "list": one.is_list}
                for one in model.files
            ],
            least_units=model.least_units,
            most_units=model.most_units,
            plan=model.plan,
        )
    print_json(event="models", shown=len(found.models), found=found.count)
