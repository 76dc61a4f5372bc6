"""A folder of pictures → those that can be references, and why the others cannot."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.image import measure_image
from pipeline.errors import UsageError
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.manifest.item_id import check_id
from pipeline.manifest.references import BadPath, ReferenceFiles
from pipeline.manifest.slug import slug_of
from pipeline.models.schema import InputSchema, ModelSchema
from pipeline.operations.init_text import (
    MATRIX_LESSON,
    Draft,
    Entry,
    literal,
    scalar_in_brackets,
)
from pipeline.record import Struct
from pipeline.storage.media_type import PICTURE_TYPES

DEFAULT_LOOK = "painted in flat shapes, warm light"
MOST_PICTURES = 2000
_EACH = (
    "One item for each picture. Prompts speak of the pictures that an item is given as"
    " image 1, image 2 and so on. The id names the file that is made."
)
_STYLE = "The id names the file. A slash in it makes a folder."


class Picture(Struct, frozen=True, kw_only=True):
    """A picture that can be a reference.

    Attributes:
        file: Its path, relative to the manifest.
        name: As a reference: letters, digits, ``_``, ``.`` and ``-``.
        item_id: Of the item that is made from it.
        is_turned: Whether its EXIF data says to turn it.
    """

    file: str
    name: str
    item_id: str
    is_turned: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """What is in a folder.

    Attributes:
        pictures: By path.
        left_out: Path, as the user knows it → why it is left out.
    """

    pictures: Sequence[Picture]
    left_out: Mapping[str, str]


def find_pictures(
    source: Path,
    folder: Path,
    *,
    on_file: Callable[[int, int], None] = lambda _done, _all: None,
) -> Found:
    """Look at every file of a folder and the folders in it; each picture is decoded.

    Args:
        source: The folder, or one picture; inside of ``folder``.
        folder: That of the manifest, absolute.
        on_file: Called before each file with how many are done, and how many there are.

    Raises:
        UsageError: There are no pictures, or more than ``MOST_PICTURES``.
    """
    left_out: dict[str, str] = {}
    files = [source] if source.is_file() else [*_files_in(source, left_out)]
    if len(files) > MOST_PICTURES:
        raise UsageError(
            f"{source} holds more than {MOST_PICTURES:,} files",
            hint="name a folder that holds the references alone",
        )
    reader = ReferenceFiles(folder, allow_outside=False)
    pictures: list[Picture] = []
    taken: set[str] = set()
    for number, path in enumerate(files):
        on_file(number, len(files))
        file = Path(os.path.relpath(path, folder)).as_posix()
        why = _wrong_with(reader, file)
        if not why and reader.is_turned(file):
            why = _wrong_with_turning(reader, file)
        if why:
            left_out[str(path)] = why
            continue
        item_id = _id_of(path, source, taken)
        pictures.append(
            Picture(
                file=file,
                name=item_id.replace("/", "-"),
                item_id=item_id,
                is_turned=reader.is_turned(file),
            )
        )
    if not pictures:
        what = next(iter(left_out.items()), None)
        why = f": {what[0]} is left out: {what[1]}" if what else ""
        raise UsageError(
            f"{source} has no picture that can be a reference{why}",
            hint="name a folder of PNG, JPEG or WebP files, or a CSV or .xlsx file",
        )
    return Found(pictures=pictures, left_out=left_out)


def find_picture_input(model: ModelSchema | None, model_id: str) -> InputSchema:
    """The input of a model that takes reference pictures.

    Raises:
        UsageError: It has none.
    """
    if model is None:
        return InputSchema(name="images", type="file_array", kind="image")
    for schema in model.inputs.values():
        if schema.is_file and schema.kind in {"image", ""}:
            return schema
    raise UsageError(
        f"{model_id} takes no pictures",
        hint="name another model with --model; `pipeline models --kind image` lists"
        " some",
    )


def draft_of_each(
    found: Found,
    into: InputSchema,
    *,
    model_id: str,
    params: Mapping[str, str],
    look: str,
) -> Draft:
    """The manifest that changes each picture: one item for each."""
    prompt = "the subject of image 1, ${look}" if look else "the subject of image 1"
    entries = [
        Entry(
            item_id=picture.item_id,
            prompt=prompt,
            params={into.name: _given(into, [picture])},
            comments=() if number else (_EACH,),
        )
        for number, picture in enumerate(found.pictures)
    ]
    return Draft(
        about="New pictures from reference pictures, one from each.",
        notes=_notes_on(found),
        model=model_id,
        params=params,
        references=_references(found.pictures),
        look=look,
        entries=entries,
        lesson=(
            "The same picture several times, here in four seasons:",
            "",
            f"- id: {found.pictures[0].item_id}-${{season}}",
            "  prompt: the subject of image 1 in ${season}",
            f"  params: {{{into.name}: {_given(into, found.pictures[:1])}}}",
            "  matrix: {season: [spring, summer, autumn, winter]}",
        ),
    )


def draft_of_style(
    found: Found,
    into: InputSchema,
    *,
    model_id: str,
    params: Mapping[str, str],
    prompts: Mapping[str, str],
) -> Draft:
    """The manifest whose items are all made in the style of the pictures.

    Args:
        found: The pictures.
        into: The input that takes them.
        model_id: The model's id.
        params: Inputs for every item, as YAML.
        prompts: Id → prompt.
    """
    most = into.max_length if into.is_array else 1
    used = found.pictures[:most]
    shared = {into.name: _given(into, used)}
    style = "in the style of image 1"
    if len(used) > 1:
        style = f"in the style of images 1 to {len(used)}"
    return Draft(
        about="New pictures in the style of reference pictures.",
        notes=_notes_on(found),
        model=model_id,
        params={**params, **shared},
        references=_references(found.pictures),
        look=style,
        entries=[
            Entry(
                item_id=item_id,
                prompt=f"{literal(prompt)}, ${{look}}",
                comments=() if number else (_STYLE,),
            )
            for number, (item_id, prompt) in enumerate(prompts.items())
        ],
        lesson=MATRIX_LESSON,
    )


def _files_in(source: Path, left_out: dict[str, str]) -> list[Path]:
    """The files below a folder by path; what is hidden is left out."""
    found: list[Path] = []
    for folder, folders, names in os.walk(source):
        here = Path(folder)
        if LEDGER_NAME in names:
            left_out[str(here)] = "the output folder of a run"
            folders.clear()
            continue
        hidden = [name for name in (*folders, *names) if name.startswith(".")]
        left_out |= {str(here / name): "hidden" for name in sorted(hidden)}
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [here / name for name in sorted(names) if not name.startswith(".")]
        if len(found) > MOST_PICTURES:
            break
    return found


def _wrong_with(reader: ReferenceFiles, file: str) -> str:
    """Why a file is left out, or ""."""
    try:
        asset = reader.load(file)
    except BadPath as exc:
        return exc.message.removeprefix(f"'{file}' ")
    kind = asset.media_type
    if not kind.startswith("image/"):
        return "not a picture"
    if kind not in PICTURE_TYPES:
        return f"a picture that cannot be read here ({kind}); save it as PNG"
    try:
        measure_image(asset.path, kind)
    except Damaged as exc:
        return f"damaged: {exc}"
    except OSError as exc:
        return f"cannot be read: {exc.strerror}"
    return ""


def _wrong_with_turning(reader: ReferenceFiles, file: str) -> str:
    """Why a picture that is stored turned cannot be sent upright, or ""."""
    try:
        reader.load(file, upright=True)
    except BadPath as exc:
        return exc.message.removeprefix(f"'{file}' ")
    return ""


def _id_of(path: Path, source: Path, taken: set[str]) -> str:
    """An id of its own for a picture, by its path below the source."""
    below = path.relative_to(source) if path != source else Path(path.name)
    parts = [slug_of(part) for part in below.with_suffix("").parts]
    item_id = "/".join(part or "picture" for part in parts)
    if check_id(item_id) is not None:
        item_id = f"picture-{slug_of(path.stem)[:40]}".strip("-")
    number, unique = 1, item_id
    # As reference names are: the slashes become dashes.
    while unique.replace("/", "-") in taken:
        number += 1
        unique = f"{item_id}-{number}"
    taken.add(unique.replace("/", "-"))
    return unique


def _references(pictures: Sequence[Picture]) -> dict[str, str]:
    found: dict[str, str] = {}
    for picture in pictures:
        file = scalar_in_brackets(picture.file)
        if picture.is_turned:
            # Stored turned: without `upright`, the service may see it on its side.
            file = f"{{file: {file}, upright: true}}"
        found[picture.name] = file
    return found


def _notes_on(found: Found) -> tuple[str, ...]:
    return tuple(
        f"{one.file} is stored turned, as its EXIF data says: it is sent upright"
        for one in found.pictures
        if one.is_turned
    )


def _given(into: InputSchema, pictures: Sequence[Picture]) -> str:
    names = ", ".join(f"ref:{picture.name}" for picture in pictures)
    return f"[{names}]" if into.is_array else names
