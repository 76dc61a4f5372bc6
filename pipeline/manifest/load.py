"""A file → Manifest, with every fault at once."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import Fault, ManifestError
from pipeline.manifest.comments import Comment, warn_of_comments
from pipeline.manifest.expand import expand_into
from pipeline.manifest.faults import Faults
from pipeline.manifest.manifest import FindModel, Manifest
from pipeline.manifest.mapping import render_mapping
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.profiles import read_profiles
from pipeline.manifest.review import Review
from pipeline.manifest.review_file import read_review, review_path
from pipeline.manifest.schema import SchemaReader, safe_name
from pipeline.manifest.source import MAX_FILE_BYTES, parse_source
from pipeline.models.record import load_shipped_model
from pipeline.models.wording import find_misspelt
from pipeline.record import Struct
from pipeline.storage.near_names import near_file
from pipeline.storage.regular_file import NotAFile, open_regular

_MOST_LOOKED_AT = 1000  # names in a folder, for a hint


def load_manifest(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    folder: str | os.PathLike[str] = ".",
    allow_outside: bool = False,
    models: FindModel = load_shipped_model,
    on_name: Callable[[str], None] = lambda _name: None,
    profile: str = "",
) -> Manifest:
    """Read and check a manifest without making its items.

    Row files are read once, to count the rows, and references are hashed. If the
    manifest itself is valid, faults in individual items are left to ``expand``.

    A mapping counts as the file ``NAME.yaml`` in ``folder``, where NAME is its
    ``name``: lock file, review file and output folder are named after it.

    Args:
        source: The YAML file; or what it would say, as a mapping with a ``name``.
        folder: For a mapping: what its references and row files are relative to.
        allow_outside: Whether references and row files may be outside its folder.
        models: Finds a model's inputs by its id. The inputs of a model for which it
            returns None are not checked.
        on_name: Called with the manifest's name before the first model is looked up.
        profile: The profile to use; "" for the top level alone.

    Raises:
        ManifestError: With every fault, including those in individual items.
        UsageError: The manifest has no such profile.
    """
    written = _written(source, Path(folder))
    faults = Faults(written.file, written.keys)
    manifest = _load(
        written,
        faults,
        allow_outside=allow_outside,
        models=models,
        on_name=on_name,
        profile=profile,
    )
    if manifest is not None and len(faults):
        for _ in expand_into(manifest, faults):
            pass
    faults.raise_any()
    assert manifest is not None
    return manifest


def find_profiles(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names of a manifest's profiles, without reading anything else of it.

    Raises:
        ManifestError: The file is not YAML, or its profiles have faults.
    """
    faults = Faults(os.fspath(path))
    root, text = parse_source(_read_bytes(os.fspath(path)), faults)
    found: tuple[str, ...] = ()
    if root is not None and isinstance(root.value, dict):
        node = root.value.get("profiles")
        found = tuple(read_profiles(node, NodeReader(text, faults)))
    faults.raise_any()
    return found


def validate_manifest(
    path: str | os.PathLike[str],
    *,
    allow_outside: bool = False,
    models: FindModel = load_shipped_model,
    profile: str = "",
    text: str | None = None,
) -> tuple[Manifest, int]:
    """Read a manifest and make all its items, to find every fault.

    The items of every other profile are made too; a fault that only they have says so.

    Args:
        path: As for ``load_manifest``.
        allow_outside: As for ``load_manifest``.
        models: As for ``load_manifest``.
        profile: As for ``load_manifest``.
        text: What is going to be in the file, if it is not written yet.

    Returns:
        The manifest and how many jobs it makes: takes and steps count one by one.

    Raises:
        ManifestError: With every fault.
        UsageError: The manifest has no such profile.
    """
    written = _written(path) if text is None else _not_yet_written(path, text)
    faults = Faults(written.file)

    def read(name: str, found: Faults) -> tuple[Manifest | None, int]:
        manifest = _load(
            written, found, allow_outside=allow_outside, models=models, profile=name
        )
        if manifest is None:
            return None, 0
        return manifest, sum(1 for _ in expand_into(manifest, found))

    manifest, count = read(profile, faults)
    known = set(faults.all())
    for other in manifest.profiles if manifest is not None else ():
        if other == profile:
            continue
        its_own = Faults(written.file)
        read(other, its_own)
        for fault in its_own.all():
            if fault not in known:
                message = f"{fault.message} (with profile '{other}')"
                faults.add_at(fault.line, fault.column, message, fault.hint, fault.file)
    faults.raise_any()
    assert manifest is not None
    return manifest, count


class _Written(Struct, frozen=True, kw_only=True):
    """What was written, and where.

    Attributes:
        file: The path as the user gave it, or the name of a manifest without a file.
        path: The absolute path.
        data: The bytes.
        keys: Of a manifest without a file: the key of each line.
    """

    file: str
    path: Path
    data: bytes
    keys: Sequence[str] = ()


def _written(
    source: str | os.PathLike[str] | Mapping[str, Any], folder: Path = Path()
) -> _Written:
    if not isinstance(source, Mapping):
        file = os.fspath(source)
        path = Path(file).absolute()
        return _Written(file=file, path=path, data=_read_bytes(file))
    name = source.get("name")
    if not isinstance(name, str) or not name:
        message = "a manifest that is not a file needs a 'name'"
        hint = "it names the output folder: add 'name': 'icons'"
        raise _no_manifest("<manifest>", message, hint)
    file = f"<{safe_name(name)}>"
    data, keys = render_mapping(source, file)
    path = folder.absolute() / f"{safe_name(name)}.yaml"
    if path.exists():
        message = f"{path} exists, and would share the lock file with this manifest"
        hint = "load the file instead, or give this manifest another name"
        raise _no_manifest(file, message, hint)
    return _Written(file=file, path=path, data=data, keys=keys)


def _not_yet_written(path: str | os.PathLike[str], text: str) -> _Written:
    file = os.fspath(path)
    return _Written(file=file, path=Path(file).absolute(), data=text.encode())


def _no_manifest(file: str, message: str, hint: str) -> ManifestError:
    return ManifestError(
        [Fault(file=file, line=1, column=1, message=message, hint=hint, key="name")]
    )


def _load(
    written: _Written,
    faults: Faults,
    *,
    allow_outside: bool,
    models: FindModel,
    on_name: Callable[[str], None] = lambda _name: None,
    profile: str = "",
) -> Manifest | None:
    file = written.file
    comments: dict[int, Comment] = {}
    root, text = parse_source(written.data, faults, comments)
    if root is None:
        return None
    reader = SchemaReader(
        data=written.data,
        text=text,
        file=file,
        path=written.path,
        faults=faults,
        allow_outside=allow_outside,
        models=models,
        on_name=on_name,
        profile=profile,
    )
    manifest = reader.read(root)
    review = _load_review(written.path if written.keys else Path(file), profile, faults)
    if manifest is not None:
        manifest = replace(manifest, review=review, keys=written.keys)
    if manifest is None or not comments:
        return manifest
    warnings = (*manifest.warnings, *warn_of_comments(root, comments, file))
    return replace(manifest, warnings=warnings)


def _load_review(manifest: Path, profile: str, faults: Faults) -> Review:
    shown = review_path(manifest, profile)
    try:
        return read_review(shown.absolute(), str(shown))
    except ManifestError as error:
        for fault in error.faults:
            faults.add_at(
                fault.line, fault.column, fault.message, fault.hint, fault.file
            )
        return Review()


def _misspelt(file: Path) -> str:
    """A hint with the manifest beside it that may be meant, or ""."""
    with suppress(OSError, ValueError):
        names = [
            path.name
            for path in islice(file.parent.iterdir(), _MOST_LOOKED_AT)
            if path.suffix in {".yaml", ".yml"}
        ]
        for name in find_misspelt(file.name, names):
            return f"did you mean {file.with_name(name)}?"
    return ""


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
        reason = "no such file"
        first = f"to begin with one, type: {shlex.join(['pipeline', 'init', file])}"
        hint = near_file(Path(), file) or _misspelt(Path(file)) or first
    except OSError as exc:
        reason, hint = str(exc.strerror or exc), ""
    except ValueError:
        reason, hint = "it is not a valid path", ""
    message = f"the manifest cannot be read: {reason}"
    raise ManifestError(
        [Fault(file=file, line=1, column=1, message=message, hint=hint)]
    )
