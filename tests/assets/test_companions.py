"""Companions: what a job was for, what shows it, and what is left."""

from pathlib import Path

import pytest

from pipeline.assets.companions import sort_by_role
from pipeline.assets.downloader import Receipt
from pipeline.job import AssetId


def of_kind(kind):
    return Receipt(
        partial=Path(kind),
        sha256=kind,
        size_bytes=1,
        media_type="",
        kind=kind,
        width_px=None,
        height_px=None,
    )


@pytest.mark.parametrize(
    ("makes", "kinds", "outputs", "previews", "others"),
    [
        ("image", ["image"], [0], [], []),
        ("image", ["image"] * 6, [0, 1, 2, 3, 4, 5], [], []),
        ("image", ["image", "text", "image"], [0, 2], [], [1]),
        ("image", ["text"], [0], [], []),
        ("3d", ["image", "3d"], [1], [0], []),
        ("3d", ["3d", "image", "image", "text"], [0], [1, 2], [3]),
        ("3d", ["3d", "3d"], [0, 1], [], []),
        ("3d", ["image"], [0], [], []),
        ("video", ["video", "image", "audio"], [0], [1], [2]),
        ("audio", ["image", "audio"], [1], [0], []),
        ("text", ["text", "image"], [0], [], [1]),
        ("", ["image", "image"], [0, 1], [], []),
        ("", ["image", "text"], [0, 1], [], []),
        ("", ["image", "video"], [1], [0], []),
        ("", ["image", "3d", ""], [1], [0], [2]),
        ("", ["", "text"], [0, 1], [], []),
        ("", [], [], [], []),
    ],
)
def test_each_file_has_its_role(makes, kinds, outputs, previews, others):
    files = [
        (AssetId(f"asset_{number}"), of_kind(kind)) for number, kind in enumerate(kinds)
    ]

    found = sort_by_role(makes, files)

    assert found.outputs == [files[at] for at in outputs]
    assert found.previews == [files[at] for at in previews]
    assert found.others == [files[at] for at in others]
