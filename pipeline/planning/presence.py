"""The files of a SAVED job → in place, edited, or what is missing of them.

One ``stat`` for each file and one for its sidecar; a file is opened only if its size
is not the recorded one, or where its SHA-256 is asked for.
"""

from pipeline.job import SIDECAR_SUFFIX, Asset, Job
from pipeline.naming import is_kept
from pipeline.planning.decision import Presence
from pipeline.save_spec import describe_change
from pipeline.storage.media_type import PICTURE_TYPES
from pipeline.storage.pointer import MAX_POINTER_BYTES, read_pointer
from pipeline.storage.store import Store

_SMALL_SIDECAR_BYTES = 256  # ours have several times as many, pointers fewer


MISSING = Presence(missing="file missing")


def find_presence(
    store: Store, job: Job, *, recipe: str | None = None, by_hash: bool = False
) -> Presence:
    """Look at the files of a SAVED job.

    Args:
        store: Where they are.
        job: With its assets.
        recipe: How its pictures are to be saved, as :attr:`SaveSpec.recipe`;
            None if that does not matter.
        by_hash: Compare the SHA-256 of every file, which reads all of them.
    """
    edited: list[str] = []
    saving = ""
    for asset in job.assets:
        size_bytes = store.size_of(asset.path)
        if (
            size_bytes <= 0
            or is_kept(asset.path, job.item_id)
            or not _is_sidecar(store, asset.path + SIDECAR_SUFFIX)
        ):
            return MISSING
        is_processed = asset.media_type in PICTURE_TYPES and not asset.role
        if recipe is not None and asset.recipe != recipe and is_processed:
            saving = describe_change(asset.recipe, recipe)
        if size_bytes == asset.size_bytes and not by_hash:
            continue
        missing = _find_missing(store, asset, by_hash=by_hash, edited=edited)
        if missing:
            return Presence(missing=missing)
    return Presence(edited=tuple(edited), saving=saving) if job.assets else MISSING


def _find_missing(
    store: Store, asset: Asset, *, by_hash: bool, edited: list[str]
) -> str:
    # Seldom needed, and decoding brings a library that takes long to load.
    from pipeline.assets.checks.standing import Standing, find_standing  # noqa: PLC0415

    standing, pointer = find_standing(store, asset, by_hash=by_hash)
    if standing is Standing.EDITED:
        edited.append(asset.path)
    if standing in {Standing.WHOLE, Standing.EDITED}:
        return ""
    if standing is Standing.MISSING:
        return MISSING.missing
    what = f"a {pointer.kind} pointer" if pointer else str(standing)
    return f"{asset.path} is {what}"


def _is_sidecar(store: Store, name: str) -> bool:
    """Whether there is something in the place of a sidecar that may be one."""
    size_bytes = store.size_of(name)
    if size_bytes <= 0 or size_bytes > _SMALL_SIDECAR_BYTES:
        return size_bytes > 0
    try:
        with store.open(name) as file:
            return read_pointer(file.read(MAX_POINTER_BYTES)) is None
    except OSError:
        return True  # whoever reads it is told what is wrong
