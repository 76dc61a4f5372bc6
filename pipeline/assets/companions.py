"""The files of one job → its outputs, their previews, and what stays at the service.

A 3D model often comes after a picture of itself. Such a companion is no output: it has
no number, and the outputs are counted without it. Pure.
"""

from collections.abc import Iterable

from pipeline.assets.downloader import Receipt
from pipeline.job import PICTURED, AssetId
from pipeline.record import Struct

Fetched = tuple[AssetId, Receipt]


class Sorted(Struct, frozen=True, kw_only=True):
    """The files of a job by their role, each in the service's order.

    Attributes:
        outputs: What the job was for; never empty if there is any file.
        previews: Pictures of the outputs.
        others: Companions of other kinds, which stay at the service.
    """

    outputs: list[Fetched]
    previews: list[Fetched]
    others: list[Fetched]


def sort_by_role(kind: str, files: Iterable[Fetched]) -> Sorted:
    """Tell outputs from companions.

    Args:
        kind: What the model makes, as ``ModelSchema.makes``; "" if that is not known.
            Then a 3D model or a video that comes with pictures is the output, and
            otherwise every file is one.
        files: Each asset with its receipt, in the service's order.
    """
    every = list(files)
    found = {receipt.kind for _, receipt in every}
    if not kind:
        kind = next((one for one in ("3d", "video") if one in found), "")
    if not kind or kind not in found:
        return Sorted(outputs=every, previews=[], others=[])
    rest = [one for one in every if one[1].kind != kind]
    is_pictured = kind in PICTURED
    return Sorted(
        outputs=[one for one in every if one[1].kind == kind],
        previews=[one for one in rest if is_pictured and one[1].kind == "image"],
        others=[one for one in rest if not is_pictured or one[1].kind != "image"],
    )
