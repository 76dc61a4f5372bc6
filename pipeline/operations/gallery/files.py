"""The files of a take → how the page shows them: URLs, kind, text, what is missing."""

from collections.abc import Iterator

from pipeline.assets.thumbnail import EDGE_PX, draw_thumbnail
from pipeline.job import PREVIEW
from pipeline.operations.gallery.links import Links, ShownFile
from pipeline.operations.gallery.texts import plain_text
from pipeline.report.gallery.data import GalleryFile
from pipeline.running.items import JobRecord, SavedFile
from pipeline.storage.media_type import kind_of
from pipeline.storage.store import Store

_MOST_TEXT_BYTES = 4096  # of a text result


class Files:
    """Shows the files of one manifest.

    Args:
        store: Where they are.
        links: What the URLs lead to.
    """

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links
        self._contents: dict[str, ShownFile | None] = {}  # by path, as last looked at

    def find(self, one: JobRecord) -> Iterator[GalleryFile]:
        """The files of a take or a step: its outputs, then pictures of these.

        Call it only after :meth:`look_at` has seen each of them.
        """
        outputs = [saved for saved in one.files if not saved.asset.role]
        previews = [saved for saved in one.files if saved.asset.role == PREVIEW]
        for index, saved in enumerate(outputs):
            preview = saved
            if previews:
                preview = previews[index if len(previews) == len(outputs) else 0]
            yield self._file(saved, preview)
        for saved in previews:
            yield self._file(saved, saved)

    def _file(self, saved: SavedFile, preview: SavedFile) -> GalleryFile:
        asset = saved.asset
        content = self._contents.get(asset.path)
        seen = self._contents.get(preview.asset.path)
        kind = kind_of(asset.media_type) or "other"
        links = self._links
        return GalleryFile(
            src="" if content is None else links.to_file(content),
            name=plain_text(asset.path),
            url="" if content is None else content.url,
            thumbnail="" if seen is None else links.to_thumbnail(seen),
            kind=kind,
            embedded="" if content is None else links.to_script(content),
            output=asset.output_index,
            is_preview=asset.role == PREVIEW,
            sha256=asset.sha256 if content is None else content.sha256,
            original_sha256=asset.content_sha256,
            size_bytes=asset.size_bytes,
            media_type=asset.media_type,
            width_px=asset.width_px,
            height_px=asset.height_px,
            checks={check.name: check.why for check in asset.checks},
            is_missing=content is None,
            text=_read_text(content) if kind == "text" and content else "",
        )

    def look_at(self, saved: SavedFile) -> ShownFile | None:
        """The file as it is now, which may have been edited; None if it is gone."""
        content = self._find_content(saved)
        self._contents[saved.asset.path] = content
        return content

    def _find_content(self, saved: SavedFile) -> ShownFile | None:
        asset = saved.asset
        store = self._store
        if not store.is_present(asset.path):
            return None
        sha256 = asset.sha256
        if store.size_of(asset.path) != asset.size_bytes:
            sha256 = store.digest_of(asset.path) or sha256
        path = store.path_of(asset.path)
        return ShownFile(
            content=store.file(asset.path),
            path=path,
            url=store.url_of(asset.path) if path is None else "",
            name=asset.path,
            sha256=sha256,
            media_type=asset.media_type,
        )


def draw(shown: ShownFile, *, edge_px: int = EDGE_PX) -> bytes:
    """A WebP picture of a file; blocking.

    Args:
        shown: A file that is there.
        edge_px: The most pixels of its longer edge.

    Raises:
        NotAnImage, OSError, MemoryError: It cannot be drawn; see ``drawn.UNDRAWN``.
    """
    assert shown.content is not None
    with shown.content.open("rb") as file:
        return draw_thumbnail(file, shown.media_type, edge_px=edge_px)


def _read_text(shown: ShownFile) -> str:
    """The beginning of a text file."""
    assert shown.content is not None
    try:
        with shown.content.open("rb") as file:
            text = file.read(_MOST_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return text.rstrip("\ufffd")  # a character that is cut off
