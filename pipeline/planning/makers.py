"""Makers: which manifest has made an item of a folder that several manifests share.

The sidecars say it. What is not certain counts as made by another one, so that no
manifest renames or removes the files of another.
"""

from pathlib import Path

from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest


class Makers:
    """Tells the items of one manifest from those of the others.

    Args:
        manifest: The manifest.
        output: The shared folder.
        ledger: Its ledger.
    """

    def __init__(self, manifest: Manifest, output: Path, ledger: Ledger) -> None:
        self._manifest = manifest
        self._output = output
        self._ledger = ledger

    def is_own(self, item_id: str) -> bool:
        """Whether this manifest has made an item: all of its sidecars say so.

        A manifest is recognised by its path as it was typed, so the command has to be
        typed in the folder where the run was.
        """
        # Seldom needed, and brings a library that takes long to load.
        from pipeline.assets.sidecar import NoSidecar, load_source  # noqa: PLC0415

        found = 0
        for _, asset in self._ledger.find_assets_of(item_id):
            try:
                source = load_source(self._output, asset.path)
            except FileNotFoundError:
                continue
            except (NoSidecar, OSError):
                return False
            if not self._is_this(source.name, Path(source.file)):
                return False
            found += 1
        return found > 0

    def _is_this(self, name: str, file: Path) -> bool:
        try:
            return name == self._manifest.name and file.samefile(self._manifest.path)
        except OSError:
            return False
