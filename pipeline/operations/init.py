"""Init: answers, a folder of pictures or a spreadsheet → a first manifest.

What it says is decided in init_sheet.py and init_pictures.py, and written in
init_text.py. Spends nothing, and never replaces a file.
"""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import OutputError, UsageError
from pipeline.manifest import Manifest
from pipeline.manifest.item_id import check_id
from pipeline.manifest.json_schema import manifest_schema
from pipeline.manifest.load import validate_manifest
from pipeline.manifest.manifest import FindModel
from pipeline.manifest.slug import slug_of
from pipeline.models.record import load_shipped_model, shipped_model_ids
from pipeline.models.schema import ModelSchema
from pipeline.operations.init_text import (
    MATRIX_LESSON,
    SCHEMA_NAME,
    Draft,
    Entry,
    literal,
    render_draft,
)

DEFAULT_NAME = "assets.yaml"
_SIZE = "1024*1024"
_SUFFIXES = frozenset({".yaml", ".yml"})
_MOST_ID_CHARS = 40
_NAMES = "The id names the file that is made. A slash in it makes a folder."
_ARTICLES = ("a-", "an-", "the-")


def choose_file(file: Path | None, source: Path | None) -> Path:
    """Where the manifest goes; what it is made from has to be in its folder.

    Args:
        file: What the user named, or None.
        source: The folder or spreadsheet that it is made from, or None.

    Raises:
        UsageError: There is a file of that name, it is not the name of a manifest, or
            the source is elsewhere.
    """
    beside = Path() if source is None or _is_inside(source, Path()) else source.parent
    if file is None:
        stem = slug_of(source.stem) if source is not None and source.is_file() else ""
        name = f"{stem}.yaml" if stem else DEFAULT_NAME
        file = beside / name
    if file.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"{file} is not the name of a manifest, which ends with .yaml",
            hint=_command(file.with_name(f"{file.name}.yaml"), source),
        )
    if os.path.lexists(file):
        raise UsageError(
            f"{file} is there already, and is never replaced",
            hint=_command(_free_name(file), source),
        )
    if source is not None and not _is_inside(source, file.parent):
        raise UsageError(
            f"{source} is not in the folder of the manifest",
            hint=f"{_command(source.parent / file.name, source)}, or copy it there",
        )
    return file


def size_for(model: ModelSchema | None) -> dict[str, str]:
    """A common size, if the model takes it; as YAML."""
    size = model.inputs.get("size") if model is not None else None
    takes = size is not None and _SIZE in size.allowed_values
    return {"size": _SIZE} if takes else {}


def ids_for(prompts: Sequence[str]) -> dict[str, str]:
    """An id of its own for each prompt, from its first words: id → prompt."""
    found: dict[str, str] = {}
    for prompt in prompts:
        slug = slug_of(prompt.partition(",")[0])
        for article in _ARTICLES:
            slug = slug.removeprefix(article)
        item_id = slug[:_MOST_ID_CHARS].strip("-_") or "item"
        if check_id(item_id) is not None:  # a name that is reserved
            item_id = f"item-{item_id}"
        number, unique = 1, item_id
        while unique in found:
            number += 1
            unique = f"{item_id}-{number}"
        found[unique] = prompt
    return found


def draft_of_prompts(
    prompts: Sequence[str], *, model_id: str, model: ModelSchema | None, look: str
) -> Draft:
    """The manifest with one item for each prompt."""
    return Draft(
        about="The pictures to make: each item becomes a file.",
        model=model_id,
        params=size_for(model),
        look=look,
        entries=[
            Entry(
                item_id=item_id,
                prompt=literal(prompt) + (", ${look}" if look else ""),
                comments=() if number else (_NAMES,),
            )
            for number, (item_id, prompt) in enumerate(ids_for(prompts).items())
        ],
        lesson=MATRIX_LESSON,
    )


def write_first_manifest(
    file: Path, draft: Draft, *, models: FindModel
) -> tuple[Manifest, int, bool]:
    """Check what the manifest will say, then write it; a file is never replaced.

    A JSON Schema for editors is written beside it, unless there is one.

    Args:
        file: As ``choose_file`` returned it.
        draft: What it says.
        models: Finds a model's inputs by its id.

    Returns:
        The manifest, the number of its jobs, and whether the schema is new.

    Raises:
        ManifestError: Every fault; nothing is written.
        OutputError: It cannot be written, or there is a file of that name now.
    """
    text = render_draft(draft, file=shlex.quote(os.fspath(file)))
    manifest, count = validate_manifest(file, models=models, text=text)
    schema = file.with_name(SCHEMA_NAME)
    is_new = not os.path.lexists(schema)
    if is_new:
        shipped = map(load_shipped_model, shipped_model_ids())
        known = manifest_schema([one for one in shipped if one is not None])
        _create(schema, json.dumps(known, indent=2) + "\n")
    _create(file, text)
    return manifest, count, is_new


def _create(path: Path, text: str) -> None:
    """Write a new file, completely or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as new:
            try:
                new.write(text)
                new.flush()
            except BaseException:
                path.unlink()
                raise
    except OSError as exc:
        raise OutputError(
            f"cannot write {path}: {exc.strerror}",
            hint="name a file in a folder that can be written to",
        ) from exc


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _free_name(file: Path) -> Path:
    number = 2
    while os.path.lexists(other := file.with_stem(f"{file.stem}-{number}")):
        number += 1
    return other


def _command(file: Path, source: Path | None) -> str:
    words = ["pipeline", "init", os.fspath(file)]
    if source is not None:
        words += ["--from", os.fspath(source)]
    return shlex.join(words)
