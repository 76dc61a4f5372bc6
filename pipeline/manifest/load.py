"""A file → Manifest, with every fault at once."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.errors import Fault, ManifestError
from pipeline.manifest.comments import Comment, warn_of_comments
from pipeline.manifest.expand import expand_into
from pipeline.manifest.faults import Faults
from pipeline.manifest.manifest import FindModel, Manifest
from pipeline.manifest.review import Review
from pipeline.manifest.review_file import read_review, review_path
from pipeline.manifest.schema import SchemaReader
from pipeline.manifest.source import MAX_FILE_BYTES, parse_source
from pipeline.models.record import load_shipped_model
from pipeline.storage.near_names import near_file
from pipeline.storage.regular_file import NotAFile, open_regular


def load_manifest(
    path: str | os.PathLike[str],
    *,
    allow_outside: bool = False,
    models: FindModel = load_shipped_model,
    on_name: Callable[[str], None] = lambda _name: None,
) -> Manifest:
    """Read and check a manifest without making its items.

    Row files are read once, to count the rows, and references are hashed. If the
    manifest itself is valid, faults in individual items are left to ``expand``.

    Args:
        path: The YAML file.
        allow_outside: Whether references and row files may be outside its folder.
        models: Finds a model's inputs by its id. The inputs of a model for which it
            returns None are not checked.
        on_name: Called with the manifest's name before the first model is looked up.

    Raises:
        ManifestError: With every fault, including those in individual items.
    """
    faults = Faults(os.fspath(path))
    manifest = _load(
        path, faults, allow_outside=allow_outside, models=models, on_name=on_name
    )
    if manifest is not None and len(faults):
        for _ in expand_into(manifest, faults):
            pass
    faults.raise_any()
    assert manifest is not None
    return manifest


def validate_manifest(
    path: str | os.PathLike[str],
    *,
    allow_outside: bool = False,
    models: FindModel = load_shipped_model,
) -> tuple[Manifest, int]:
    """Read a manifest and make all its items, to find every fault.

    Args:
        path: As for ``load_manifest``.
        allow_outside: As for ``load_manifest``.
        models: As for ``load_manifest``.

    Returns:
        The manifest and how many items it makes.

    Raises:
        ManifestError: With every fault.
    """
    faults = Faults(os.fspath(path))
    manifest = _load(path, faults, allow_outside=allow_outside, models=models)
    count = 0
    if manifest is not None:
        for _ in expand_into(manifest, faults):
            count += 1
    faults.raise_any()
    assert manifest is not None
    return manifest, count


def _load(
    path: str | os.PathLike[str],
    faults: Faults,
    *,
    allow_outside: bool,
    models: FindModel,
    on_name: Callable[[str], None] = lambda _name: None,
) -> Manifest | None:
    file = os.fspath(path)
    data = _read_bytes(file)
    comments: dict[int, Comment] = {}
    root, text = parse_source(data, faults, comments)
    if root is None:
        return None
    reader = SchemaReader(
        data=data,
        text=text,
        file=file,
        path=Path(file).absolute(),
        faults=faults,
        allow_outside=allow_outside,
        models=models,
        on_name=on_name,
    )
    manifest = reader.read(root)
    review = _load_review(Path(file), faults)
    if manifest is not None:
        manifest = replace(manifest, review=review)
    if manifest is None or not comments:
        return manifest
    warnings = (*manifest.warnings, *warn_of_comments(root, comments, file))
    return replace(manifest, warnings=warnings)


def _load_review(manifest: Path, faults: Faults) -> Review:
    shown = review_path(manifest)
    try:
        return read_review(shown.absolute(), str(shown))
    except ManifestError as error:
        for fault in error.faults:
            faults.add_at(
                fault.line, fault.column, fault.message, fault.hint, fault.file
            )
        return Review()


def _read_bytes(file: str) -> bytes:
    try:
        with open_regular(Path(file)) as opened:
            # One byte over the limit, so that a larger file is noticed.
            return opened.read(MAX_FILE_BYTES + 1)
    except NotAFile as exc:
        reason, hint = str(exc.strerror), "save it as a file"
    except IsADirectoryError:
        reason, hint = "it is a folder", "name the .yaml file"
    except FileNotFoundError:
        reason, hint = "no such file", near_file(Path(), file)
    except OSError as exc:
        reason, hint = str(exc.strerror or exc), ""
    except ValueError:
        reason, hint = "it is not a valid path", ""
    message = f"the manifest cannot be read: {reason}"
    raise ManifestError(
        [Fault(file=file, line=1, column=1, message=message, hint=hint)]
    )
