"""A file as it arrived → the file that is saved, checked. Blocking.

It knows no credential and no ledger.
"""

import hashlib
from pathlib import Path

from pipeline.assets.checks.image import measure_image
from pipeline.assets.checks.picture import examine
from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.embedding import Making
from pipeline.assets.processing import process
from pipeline.assets.receipt import Receipt
from pipeline.fault_points import reach
from pipeline.record import Struct, replace
from pipeline.save_spec import CheckResult, Saving
from pipeline.storage.atomic_file import create_partial, storage_errors
from pipeline.storage.media_type import PICTURE_TYPES, media_type_of
from pipeline.storage.syncing import sync_file


class Treatment(Struct, frozen=True, kw_only=True):
    """What is done with an asset before it is saved.

    Attributes:
        saving: How it is saved and checked.
        making: What ``embed`` writes into it.
        compares: Whether its likeness is wanted.
    """

    saving: Saving
    making: Making
    compares: bool = False


def treat(receipt: Receipt, treatment: Treatment, output: Path) -> Receipt:
    """Make and check the file that is saved; a file that is no picture stays as it is.

    Args:
        receipt: The file as it arrived.
        treatment: What to do with it.
        output: The output folder; the file is in its ``.partial``.

    Raises:
        OutputError: The disk is full or not writable.
    """
    spec = treatment.saving.save
    path = receipt.partial
    assert isinstance(path, Path)  # what is treated is on disk
    if receipt.media_type not in PICTURE_TYPES:
        if not spec.recipe:
            return receipt
        kind = receipt.media_type.partition(";")[0]
        note = f"it is {kind}, which 'save' and 'embed' leave as it came"
        return replace(receipt, notes=(note,))
    if spec.recipe:
        with storage_errors(path):
            done = process(path, receipt.media_type, spec, treatment.making)
        receipt = replace(receipt, recipe=spec.recipe, notes=done.notes)
        if done.shortfall:
            receipt = replace(receipt, checks=(_not_processed(done.shortfall),))
        if done.content is not None:
            receipt = _write(done.content, receipt, output)
            path = receipt.partial
            assert isinstance(path, Path)
    with storage_errors(path):
        found, likeness = examine(
            path,
            receipt.media_type,
            treatment.saving,
            compares=treatment.compares,
        )
    results = (*receipt.checks, *found)
    return replace(receipt, checks=results, likeness=likeness)


def as_it_came(receipt: Receipt) -> Receipt:
    """The file without its treatment; what was made of it is deleted."""
    if receipt.original is not None:
        receipt.partial.unlink(missing_ok=True)
        receipt = receipt.original
    return replace(receipt, recipe="", checks=(), likeness="", notes=())


def _write(content: bytes, original: Receipt, output: Path) -> Receipt:
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 == original.sha256:
        return original
    partial, file = create_partial(output)
    with storage_errors(partial), file:
        file.write(content)
        file.flush()
        sync_file(file.fileno(), partial)
    reach("processed")
    media_type = media_type_of(content)
    try:
        size = measure_image(partial, media_type)
    except NotAnImage as error:  # an encoder's mistake: nothing is lost
        partial.unlink(missing_ok=True)
        return replace(original, checks=(_not_processed(f"what was made {error}"),))
    width_px, height_px = size or (None, None)
    return Receipt(
        partial=partial,
        sha256=sha256,
        size_bytes=len(content),
        media_type=media_type,
        kind=original.kind,
        width_px=width_px,
        height_px=height_px,
        original=original,
        recipe=original.recipe,
        notes=original.notes,
    )


def _not_processed(why: str) -> CheckResult:
    return CheckResult(name="save", why=f"it is saved as it came: {why}")
