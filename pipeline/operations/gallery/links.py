"""Links: the URL of a file in a gallery, of its thumbnail, or of its bytes as a script.

The files that a page from disk needs are only noted here; ``writer`` makes them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from pipeline.assets.checks.glb import GLB
from pipeline.assets.thumbnail import can_draw
from pipeline.output.gallery_folder import GalleryFolder
from pipeline.record import Struct
from pipeline.storage.media_type import PICTURE_TYPES, extension_of
from pipeline.storage.store import Content


class ShownFile(Struct, frozen=True, kw_only=True):
    """A file that a gallery shows.

    Attributes:
        content: Its bytes; None if it is not there now.
        path: Where it is on this machine; None in a bucket, or if it is not there.
        url: Of one in a bucket; else "".
        name: Its path in the store; "" for a reference.
        sha256: Its hex digest.
        media_type: By its content.
    """

    content: Content | None
    path: Path | None
    url: str = ""
    name: str = ""
    sha256: str
    media_type: str


class Links(Protocol):
    """The URLs of a gallery, relative to its page; each is "" if there is none."""

    def to_file(self, shown: ShownFile) -> str:
        """The file itself, or a picture of it that is large enough to judge it."""

    def to_thumbnail(self, shown: ShownFile) -> str:
        """A WebP picture of it."""

    def to_script(self, shown: ShownFile) -> str:
        """The script with its bytes, for a GLB that a page from disk cannot fetch."""


class DiskLinks:
    """The links of a page that is opened from disk.

    Args:
        folder: The gallery's folder.
        copies: Whether it is to have every file that it shows. Otherwise the page
            refers to the files where they are, and has previews of pictures in a
            bucket, which it could not open.

    Attributes:
        thumbnails: Name → the file that it shows, for all that are needed.
        previews: Name → the picture that it shows, likewise.
        scripts: Name → the GLB in it, likewise.
        copied: Name → the file to copy, likewise.
    """

    def __init__(self, folder: GalleryFolder, *, copies: bool) -> None:
        self.thumbnails: dict[str, ShownFile] = {}
        self.previews: dict[str, ShownFile] = {}
        self.scripts: dict[str, ShownFile] = {}
        self.copied: dict[str, ShownFile] = {}
        self._folder = folder
        self._page = os.path.abspath(folder.path)  # noqa: PTH100 - follows no link
        self._copies = copies

    @property
    def made(self) -> Mapping[str, ShownFile]:
        """All that has to be made."""
        return {**self.thumbnails, **self.previews, **self.scripts, **self.copied}

    def to_file(self, shown: ShownFile) -> str:
        """See :class:`Links`."""
        if shown.content is None:
            return ""
        if not self._copies:
            return self._to_original(shown)
        name = f"files/{shown.name}"
        if not shown.name:
            ending = extension_of(shown.media_type)
            name = f"references/{shown.sha256}.{ending}"
        self.copied[name] = shown
        return quote(name)

    def to_thumbnail(self, shown: ShownFile) -> str:
        """See :class:`Links`."""
        name = f"thumbnails/{shown.sha256}.webp"
        if name not in self.thumbnails:
            if shown.content is None or not can_draw(shown.media_type):
                # A file that is gone may have been seen by an earlier gallery.
                return name if self._folder.has(name) else ""
            self.thumbnails[name] = shown
        return name

    def to_script(self, shown: ShownFile) -> str:
        """See :class:`Links`."""
        if shown.content is None or shown.media_type != GLB:
            return ""
        name = f"models/{shown.sha256}.js"
        self.scripts[name] = shown
        return name

    def _to_original(self, shown: ShownFile) -> str:
        if shown.path is not None:
            return self._url_of(shown.path)
        if shown.media_type not in PICTURE_TYPES:
            return ""
        name = f"previews/{shown.sha256}.webp"
        self.previews[name] = shown
        return name

    def _url_of(self, path: Path) -> str:
        wanted = os.path.abspath(path)  # noqa: PTH100 - follows no link
        try:
            relative = os.path.relpath(wanted, self._page)
        except ValueError:  # on another drive
            return Path(wanted).as_uri()
        return quote(os.fsencode(relative.replace(os.sep, "/")))
