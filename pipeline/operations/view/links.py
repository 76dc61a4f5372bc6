"""Links: the URLs of a served gallery, and the files that they lead to.

Only what a page has been told of is served: a URL is looked up here, and never becomes
a path.
"""

from collections import OrderedDict
from threading import Lock
from urllib.parse import quote

from pipeline.assets.drawn import UNDRAWN
from pipeline.assets.thumbnail import can_draw
from pipeline.operations.gallery.files import draw
from pipeline.operations.gallery.links import ShownFile
from pipeline.report.review.files import ServedFile
from pipeline.storage.media_type import extension_of

_SIGN_CHARS = 12
_MOST_THUMBNAIL_BYTES = 64 << 20


class ServedLinks:
    """The links of a page that a server sends; see ``Links``."""

    def __init__(self) -> None:
        self._files: dict[str, ShownFile] = {}
        self._drawable: dict[str, ShownFile] = {}  # by SHA-256
        self._drawn: OrderedDict[str, bytes] = OrderedDict()
        self._drawn_bytes = 0
        self._lock = Lock()

    def to_file(self, shown: ShownFile) -> str:
        """The file; with other bytes it gets another URL, so that a page loads it."""
        if shown.content is None:
            return ""
        name = shown.name
        if not name:
            name = f".reference/{shown.sha256}.{extension_of(shown.media_type)}"
        self._files[name] = shown
        return f"files/{quote(name)}?{shown.sha256[:_SIGN_CHARS]}"

    def to_thumbnail(self, shown: ShownFile) -> str:
        """A WebP picture of it, drawn when it is asked for."""
        if shown.content is not None and can_draw(shown.media_type):
            self._drawable[shown.sha256] = shown
        if shown.sha256 not in self._drawable:
            return ""
        return f"thumbnails/{shown.sha256}.webp"

    def to_script(self, shown: ShownFile) -> str:  # noqa: ARG002 - as ``Links`` has it
        """None: a served page can fetch a 3D model."""
        return ""

    def find_file(self, name: str) -> ServedFile | None:
        """A file by its name below ``files/``."""
        shown = self._files.get(name)
        if shown is None or shown.content is None:
            return None
        return ServedFile(
            content=shown.content, sha256=shown.sha256, media_type=shown.media_type
        )

    def draw(self, name: str) -> bytes | None:
        """A thumbnail by its name below ``thumbnails/``; blocking.

        Returns:
            None if there is no such file any more, or it cannot be drawn.
        """
        sha256 = name.removesuffix(".webp")
        with self._lock:
            if sha256 in self._drawn:
                self._drawn.move_to_end(sha256)
                return self._drawn[sha256]
        shown = self._drawable.get(sha256)
        if shown is None:
            return None
        try:
            drawn = draw(shown)
        except UNDRAWN:
            return None
        self._keep(sha256, drawn)
        return drawn

    def _keep(self, sha256: str, drawn: bytes) -> None:
        with self._lock:
            if sha256 not in self._drawn:
                self._drawn[sha256] = drawn
                self._drawn_bytes += len(drawn)
            while self._drawn_bytes > _MOST_THUMBNAIL_BYTES:
                _, oldest = self._drawn.popitem(last=False)
                self._drawn_bytes -= len(oldest)
