"""Show: a saved file → how it was made, from its sidecar or from the file itself."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.assets.embedding import Making, Reference, making_of, read_embedded
from pipeline.assets.fetching import MAX_IMAGE_BYTES
from pipeline.assets.sidecar import (
    MAX_SIDECAR_BYTES,
    DamagedSidecar,
    NoSidecar,
    parse_origin,
    parse_sidecar,
)
from pipeline.errors import UsageError
from pipeline.job import SIDECAR_SUFFIX, JsonValue
from pipeline.lockfile.values import UNSAFE, render_scalar
from pipeline.manifest.item_id import check_id
from pipeline.manifest.references import BadPath, locate_file
from pipeline.record import Struct
from pipeline.save_spec import parse_recipe
from pipeline.storage.files import digest_of
from pipeline.storage.regular_file import read_regular

_MOST_NESTED = 40  # levels; a manifest may have 50


class Shown(Struct, frozen=True, kw_only=True):
    """How a file was made.

    Attributes:
        path: The file, as the user gave it.
        making: Enough to ask for it again.
        manifest: The manifest that it was made from, as its path was given then; or "".
        save: How it was saved: the keys of ``save``, and ``embed``.
        is_changed: Whether the file is not the one that its sidecar is about.
        is_embedded: Whether this was read from the file itself.
    """

    path: str
    making: Making
    manifest: str = ""
    save: Mapping[str, object] = {}
    is_changed: bool = False
    is_embedded: bool = False


def read_making(path: Path) -> Shown:
    """How a file was made; its sidecar is preferred, since it says more.

    Args:
        path: The file, or its sidecar.

    Raises:
        UsageError: Neither says how it was made.
    """
    shown = _from_sidecar(path)
    if shown is None:
        shown = _from_file(path)
    if shown is None:
        raise UsageError(
            f"nothing says how {path} was made: it has no sidecar, and nothing is"
            " embedded in it",
            hint="copy its sidecar beside it; with `embed: true` in the manifest, the"
            " file itself says it",
        )
    return shown


def render_item(shown: Shown) -> Iterator[str]:
    """Lines of a manifest that makes the file again.

    A file that it uses is named by its path if it is still there, else by its asset id;
    so the manifest is valid in the current folder.

    Raises:
        UsageError: Its inputs are nested too deep.
    """
    making = shown.making
    files = {one.asset_id: _name_file(one, shown.manifest) for one in making.references}
    inputs = dict(making.request)
    if making.seed is not None:
        inputs["seed"] = making.seed
    prompt = inputs.pop("prompt", None)
    made = [f"job {making.job_id}"] if making.job_id else []
    made += [f"asset {making.asset_id}"] if making.asset_id else []
    yield f"# {_comment(Path(shown.path).name)}: {_comment(', '.join(made))}"
    yield "version: 1"
    yield f"model: {_scalar(making.model_id)}"
    yield "items:"
    yield f"  - id: {render_scalar(_id_of(making))}"
    if prompt is not None:
        yield f"    prompt: {_value(prompt, files)}"
    given = {name: value for name, value in inputs.items() if value is not None}
    if given:
        yield "    params:"
    for name, value in given.items():
        for one in making.references:
            if one.asset_id in _texts(value):
                yield (
                    f"      # {_comment(one.path)}, sha256 {_comment(one.sha256)},"
                    f" {_comment(one.asset_id)}"
                )
        yield f"      {_scalar(name)}: {_value(value, files)}"
    save = {name: value for name, value in shown.save.items() if name != "embed"}
    if save:
        yield f"    save: {_plain(save)}"
    if shown.save.get("embed"):
        yield "    embed: true"


def _from_sidecar(path: Path) -> Shown | None:
    name = path.name.removesuffix(SIDECAR_SUFFIX)
    for sidecar in (path.with_name(path.name + SIDECAR_SUFFIX), path):
        try:
            content = read_regular(sidecar, limit_bytes=MAX_SIDECAR_BYTES)
            job = parse_sidecar(content, name if sidecar == path else path.name)
        except DamagedSidecar as error:
            raise UsageError(
                f"{sidecar} has an impossible value: {error}",
                hint="restore the file from version control, or correct the value",
            ) from error
        except (NoSidecar, OSError):
            continue
        (asset,) = job.assets
        digest = digest_of(path.parent, asset.path)
        return Shown(
            path=str(path.with_name(asset.path)),
            making=making_of(job, asset.asset_id, parse_origin(content).references),
            manifest=_manifest_of(content),
            save=parse_recipe(asset.recipe),
            is_changed=digest not in {"", asset.sha256},
        )
    return None


def _from_file(path: Path) -> Shown | None:
    try:
        content = read_regular(path, limit_bytes=MAX_IMAGE_BYTES)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="name a file of an output folder, or a copy of one",
        ) from error
    making = read_embedded(content)
    if making is None or not making.model_id:
        return None
    return Shown(path=str(path), making=making, is_embedded=True)


def _manifest_of(content: bytes) -> str:
    manifest = json.loads(content).get("manifest")
    file = manifest.get("file") if isinstance(manifest, dict) else ""
    return file if isinstance(file, str) else ""


def _name_file(reference: Reference, manifest: str) -> str:
    """``file:PATH`` if the file is still there and allowed, else its asset id."""
    here = Path.cwd()
    path = Path(os.path.normpath(here / Path(manifest).parent / reference.path))
    try:
        shown = path.relative_to(here).as_posix()
        found = locate_file(here, shown, allow_outside=False)
        content = read_regular(found, limit_bytes=MAX_IMAGE_BYTES)
    except (BadPath, OSError, ValueError):
        return reference.asset_id
    is_same = hashlib.sha256(content).hexdigest() == reference.sha256
    return f"file:{shown}" if is_same else reference.asset_id


def _id_of(making: Making) -> str:
    item_id = making.item_id.partition("@")[0].partition("+")[0]
    return item_id if check_id(item_id) is None else "item"


def _texts(value: JsonValue) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    return set()


def _value(value: JsonValue, files: Mapping[str, str]) -> str:
    return _plain(_written(value, files, depth=0))


def _written(value: JsonValue, files: Mapping[str, str], depth: int) -> JsonValue:
    """The value as a manifest has it: files by name, and dollar signs doubled."""
    if depth > _MOST_NESTED:
        raise UsageError("its inputs are nested too deep for a manifest")
    if isinstance(value, str):
        return files.get(value) or _undollared(value)
    if isinstance(value, list):
        return [_written(one, files, depth + 1) for one in value]
    if isinstance(value, dict):
        return {
            name: _written(one, files, depth + 1)
            for name, one in value.items()
            if one is not None
        }
    return value


def _undollared(text: str) -> str:
    return text.replace("$", "$$") if "${" in text or "$$" in text else text


def _scalar(text: str) -> str:
    return render_scalar(_undollared(text))


def _plain(value: object) -> str:
    """JSON, which is YAML too, with everything escaped that YAML cannot have."""
    text = json.dumps(value, ensure_ascii=False)
    return UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _comment(text: str) -> str:
    """Text for a comment, which must not end before its line does."""
    return UNSAFE.sub("?", text)
