"""The files of a take → how the page shows them: URLs, kind, text, what is missing."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.assets.drawn import find_drawn
from pipeline.assets.thumbnail import draw_thumbnail
from pipeline.job import PREVIEW, Asset
from pipeline.operations.gallery.links import Content, Links
from pipeline.operations.gallery.texts import plain_text
from pipeline.report.gallery.data import GalleryFile
from pipeline.running.items import JobRecord, SavedFile
from pipeline.storage.files import digest_of, is_present
from pipeline.storage.media_type import kind_of
from pipeline.storage.regular_file import open_regular

_MOST_TEXT_BYTES = 4096  # of a text result


class Files:
    """Shows the files of one output folder.

    Args:
        output: The folder.
        links: What the URLs lead to.
    """

    def __init__(self, output: Path, links: Links) -> None:
        self._output = output
        self._links = links
        self._contents: dict[str, Content | None] = {}  # by path, as last looked at

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

    def look_at(self, saved: SavedFile) -> Content | None:
        """The file as it is now, which may have been edited; None if it is gone."""
        content = self._find_content(saved)
        self._contents[saved.asset.path] = content
        return content

    def _find_content(self, saved: SavedFile) -> Content | None:
        asset = saved.asset
        if not is_present(self._output, asset.path):
            return None
        sha256 = asset.sha256
        if not _has_size(saved.path, asset):
            sha256 = digest_of(self._output, asset.path) or sha256
        return Content(
            path=saved.path,
            name=asset.path,
            sha256=sha256,
            media_type=asset.media_type,
            inside=self._output,
        )


def draw(content: Content) -> bytes:
    """A thumbnail of a file, if need be as a worker has drawn it; blocking.

    Raises:
        NotAnImage, OSError, MemoryError: It cannot be drawn; see ``drawn.UNDRAWN``.
    """
    assert content.path is not None
    if content.inside is not None:
        drawn = find_drawn(content.inside, content.sha256)
        if drawn is not None:
            return drawn
    with open_regular(content.path, inside=content.inside) as file:
        return draw_thumbnail(file, content.media_type)


def _has_size(path: Path, asset: Asset) -> bool:
    try:
        return path.stat().st_size == asset.size_bytes
    except OSError:
        return False


def _read_text(content: Content) -> str:
    """The beginning of a text file."""
    assert content.path is not None
    try:
        with open_regular(content.path, inside=content.inside) as file:
            text = file.read(_MOST_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return text.rstrip("\ufffd")  # a character that is cut off
