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
from pipeline.storage.media_type import extension_of


class Content(Struct, frozen=True, kw_only=True):
    """A file that a gallery shows.

    Attributes:
        path: Where it is; None if it is not there now.
        name: Its path relative to the output folder; "" for a reference.
        sha256: Its hex digest.
        media_type: By its content.
        inside: The folder that no link may lead out of; None for any link.
    """

    path: Path | None
    name: str = ""
    sha256: str
    media_type: str
    inside: Path | None = None


class Links(Protocol):
    """The URLs of a gallery, relative to its page; each is "" if there is none."""

    def to_file(self, content: Content) -> str:
        """The file itself."""

    def to_thumbnail(self, content: Content) -> str:
        """A WebP picture of it."""

    def to_script(self, content: Content) -> str:
        """The script with its bytes, for a GLB that a page from disk cannot fetch."""


class DiskLinks:
    """The links of a page that is opened from disk.

    Args:
        folder: The gallery's folder.
        copies: Whether it is to have every file that it shows. Otherwise the page
            refers to the files where they are.

    Attributes:
        thumbnails: Name → the file that it shows, for all that are needed.
        scripts: Name → the GLB in it, likewise.
        copied: Name → the file to copy, likewise.
    """

    def __init__(self, folder: GalleryFolder, *, copies: bool) -> None:
        self.thumbnails: dict[str, Content] = {}
        self.scripts: dict[str, Content] = {}
        self.copied: dict[str, Content] = {}
        self._folder = folder
        self._page = os.path.abspath(folder.path)  # noqa: PTH100 - follows no link
        self._copies = copies

    @property
    def made(self) -> Mapping[str, Content]:
        """All that has to be made."""
        return {**self.thumbnails, **self.scripts, **self.copied}

    def to_file(self, content: Content) -> str:
        """See :class:`Links`."""
        if content.path is None:
            return ""
        if not self._copies:
            return self._url_of(content.path)
        name = f"files/{content.name}"
        if not content.name:
            ending = extension_of(content.media_type)
            name = f"references/{content.sha256}.{ending}"
        self.copied[name] = content
        return quote(name)

    def to_thumbnail(self, content: Content) -> str:
        """See :class:`Links`."""
        name = f"thumbnails/{content.sha256}.webp"
        if name not in self.thumbnails:
            if content.path is None or not can_draw(content.media_type):
                # A file that is gone may have been seen by an earlier gallery.
                return name if self._folder.has(name) else ""
            self.thumbnails[name] = content
        return name

    def to_script(self, content: Content) -> str:
        """See :class:`Links`."""
        if content.path is None or content.media_type != GLB:
            return ""
        name = f"models/{content.sha256}.js"
        self.scripts[name] = content
        return name

    def _url_of(self, path: Path) -> str:
        wanted = os.path.abspath(path)  # noqa: PTH100 - follows no link
        try:
            relative = os.path.relpath(wanted, self._page)
        except ValueError:  # on another drive
            return Path(wanted).as_uri()
        return quote(os.fsencode(relative.replace(os.sep, "/")))
