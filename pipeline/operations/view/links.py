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
from pipeline.operations.gallery.links import Content
from pipeline.report.review.files import ServedFile
from pipeline.storage.media_type import extension_of

_SIGN_CHARS = 12
_MOST_THUMBNAIL_BYTES = 64 << 20


class ServedLinks:
    """The links of a page that a server sends; see ``Links``."""

    def __init__(self) -> None:
        self._files: dict[str, Content] = {}
        self._drawable: dict[str, Content] = {}  # by SHA-256
        self._drawn: OrderedDict[str, bytes] = OrderedDict()
        self._drawn_bytes = 0
        self._lock = Lock()

    def to_file(self, content: Content) -> str:
        """The file; with other bytes it gets another URL, so that a page loads it."""
        if content.path is None:
            return ""
        name = content.name
        if not name:
            name = f".reference/{content.sha256}.{extension_of(content.media_type)}"
        self._files[name] = content
        return f"files/{quote(name)}?{content.sha256[:_SIGN_CHARS]}"

    def to_thumbnail(self, content: Content) -> str:
        """A WebP picture of it, drawn when it is asked for."""
        if content.path is not None and can_draw(content.media_type):
            self._drawable[content.sha256] = content
        if content.sha256 not in self._drawable:
            return ""
        return f"thumbnails/{content.sha256}.webp"

    def to_script(self, content: Content) -> str:  # noqa: ARG002 - as ``Links`` has it
        """None: a served page can fetch a 3D model."""
        return ""

    def find_file(self, name: str) -> ServedFile | None:
        """A file by its name below ``files/``."""
        content = self._files.get(name)
        if content is None or content.path is None:
            return None
        return ServedFile(
            path=content.path, inside=content.inside, media_type=content.media_type
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
        content = self._drawable.get(sha256)
        if content is None or content.path is None:
            return None
        try:
            drawn = draw(content)
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
