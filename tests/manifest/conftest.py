"""Manifests as short texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.job import Item
from pipeline.manifest import Manifest, expand, load_manifest

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"
PNG = b"\x89PNG\r\n\x1a\n and more"

WriteManifest = Callable[..., Manifest]


@pytest.fixture
def write_manifest(tmp_path: Path) -> WriteManifest:
    """Load a manifest made of a text under the usual head, and files beside it."""

    def write(text: str, files: dict[str, bytes] | None = None, **options: Any):
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        path = tmp_path / "icons.yaml"
        whole = text if text.startswith("version") else HEAD + text
        path.write_text(whole, encoding="utf-8")
        return load_manifest(path, **options)

    return write


@pytest.fixture
def expand_text(write_manifest: WriteManifest) -> Callable[..., list[Item]]:
    """The items of such a manifest; their number is checked against the count."""

    def items(
        text: str, files: dict[str, bytes] | None = None, **options: Any
    ) -> list[Item]:
        manifest = write_manifest(text, files, **options)
        found = list(expand(manifest))
        assert manifest.item_count == len(found)
        return found

    return items
