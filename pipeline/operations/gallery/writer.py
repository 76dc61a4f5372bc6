"""A gallery that opens from disk: records and files → a folder."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio.to_thread

from pipeline.activity import Activity
from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.glb import find_extensions
from pipeline.assets.drawn import UNDRAWN
from pipeline.manifest import Manifest
from pipeline.operations.gallery.collector import Collector
from pipeline.operations.gallery.files import draw
from pipeline.operations.gallery.links import Content, DiskLinks
from pipeline.operations.gallery.page_options import PageOptions
from pipeline.output.gallery_folder import (
    GALLERY_FOLDER,
    GalleryFolder,
    holding_gallery,
)
from pipeline.output.stores import refuse_elsewhere
from pipeline.record import Struct, replace
from pipeline.report.gallery.data import (
    Gallery,
    GalleryFile,
    GalleryItem,
    GalleryReference,
    GalleryTake,
)
from pipeline.report.gallery.page import (
    DATA_NAME,
    PAGE_NAME,
    page_files,
    render_data,
    render_model,
    render_page,
    viewer_files,
)
from pipeline.storage.regular_file import read_regular

logger = logging.getLogger(__name__)

_MOST_THREADS = 4
_LONGEST_END_S = 30.0  # after an interruption
_MOST_MODEL_BYTES = 64 << 20  # a script is a third larger, and parsed at once
# The viewer would fetch decoders for these from another host.
_COMPRESSIONS = frozenset(
    {
        "KHR_draco_mesh_compression",
        "KHR_texture_basisu",
        "EXT_meshopt_compression",
        "KHR_meshopt_compression",
    }
)


class _Interrupted(Exception):
    """Nobody waits for the gallery any more."""


class Written(Struct, frozen=True, kw_only=True):
    """A gallery that was written.

    Attributes:
        page: The page to open.
        items: How many items it shows.
        drawn: How many thumbnails were made; others were there.
        size_bytes: The size of its own files, without copies of the originals.
    """

    page: Path
    items: int
    drawn: int
    size_bytes: int


def write_gallery(
    manifest: Manifest,
    output: Path,
    *,
    emulate: bool,
    now: datetime,
    folder: Path | None = None,
    allow_outside: bool = False,
    options: PageOptions = PageOptions(),  # noqa: B008 - frozen
    tick: Callable[[str], None] = lambda _phase: None,
) -> Written:
    """Write a page that shows every item, or bring it up to date. Blocking.

    Args:
        manifest: With its review.
        output: Its output folder.
        emulate: Whether the folder is the emulator's.
        now: In UTC.
        folder: Where to: gets a copy of every file that it shows. None for a folder in
            the output folder that refers to the files where they are.
        allow_outside: As for :class:`Collector`.
        options: Likewise.
        tick: Called often with what is done now; may raise to stop.

    Raises:
        UsageError: The folder has other things in it.
        LedgerBusy: Another command writes this gallery.
        ManifestError, LedgerError, LockError: As for :meth:`Collector.collect`.
        OutputError: Something cannot be read or written.
    """
    refuse_elsewhere(output, "gallery")
    with holding_gallery(folder or output / GALLERY_FOLDER) as held:
        links = DiskLinks(held, copies=folder is not None)
        collector = Collector(
            manifest,
            output,
            emulate=emulate,
            links=links,
            allow_outside=allow_outside,
            options=options,
        )
        gallery = collector.collect(now)
        return _Writing(held, links, tick).carry_out(gallery)


async def write_gallery_shown(
    manifest: Manifest,
    output: Path,
    *,
    activity: Activity,
    **named: Any,
) -> Written:
    """As :func:`write_gallery`, in a thread that a cancellation stops.

    Args:
        manifest: As for :func:`write_gallery`.
        output: Likewise.
        activity: Is told what is done at each moment.
        named: As for :func:`write_gallery`, without ``tick``.
    """
    current = "reading the ledger"
    stopping, ended = threading.Event(), threading.Event()

    def tick(phase: str) -> None:
        nonlocal current
        current = phase
        if stopping.is_set():
            raise _Interrupted

    def write() -> Written:
        try:
            return write_gallery(manifest, output, tick=tick, **named)
        finally:
            ended.set()

    activity.begin(lambda: f"writing the gallery: {current}")
    try:
        return await anyio.to_thread.run_sync(write, abandon_on_cancel=True)
    except BaseException:
        # Nothing else is going on. The thread ends with the picture in hand, and
        # leaves the folder in order.
        stopping.set()
        ended.wait(_LONGEST_END_S)
        raise


class _Writing:
    """The files of one gallery on their way into its folder."""

    def __init__(
        self, folder: GalleryFolder, links: DiskLinks, tick: Callable[[str], None]
    ) -> None:
        self._tick = tick
        self._folder = folder
        self._links = links
        self._failed: set[str] = set()
        self._drawn = 0

    def carry_out(self, gallery: Gallery) -> Written:
        folder, links = self._folder, self._links
        fixed = dict(page_files())
        if links.scripts:
            fixed |= viewer_files()
        folder.begin([*links.made, *fixed, DATA_NAME, PAGE_NAME])
        self._make("thumbnails", links.thumbnails, draw)
        self._make("3D models", links.scripts, _embed)
        self._copy(links.copied)
        if self._failed:
            gallery = _without(gallery, frozenset(self._failed))
        for name, content in fixed.items():
            folder.write(name, content)
        folder.write(DATA_NAME, render_data(gallery))
        folder.write(PAGE_NAME, render_page(gallery))
        folder.finish()
        return Written(
            page=folder.path / PAGE_NAME,
            items=len(gallery.items),
            drawn=self._drawn,
            size_bytes=folder.size_bytes - sum(map(folder.size_of, links.copied)),
        )

    def _make(
        self,
        what: str,
        wanted: Mapping[str, Content],
        make: Callable[[Content], bytes],
    ) -> None:
        """Make what is not there yet, a few at a time."""

        def make_one(name: str) -> None:
            try:
                made = make(wanted[name])
            except UNDRAWN as error:
                logger.info("no %s: %s", name, error)
                self._failed.add(name)
                return
            self._folder.write(name, made)
            self._drawn += make is draw

        missing = [name for name in wanted if not self._folder.has(name)]
        pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
        try:
            for count, _ in enumerate(pool.map(make_one, missing), 1):
                self._tick(f"{count:,} of {len(missing):,} {what}")
        finally:
            pool.shutdown(cancel_futures=True)

    def _copy(self, wanted: Mapping[str, Content]) -> None:
        for count, (name, content) in enumerate(wanted.items(), 1):
            self._tick(f"{count:,} of {len(wanted):,} copies")
            assert content.path is not None
            try:
                self._folder.copy(content.path, name)
            except OSError as error:
                logger.info("no %s: %s", name, error)
                self._failed.add(name)


def _embed(content: Content) -> bytes:
    assert content.path is not None
    model = read_regular(
        content.path, limit_bytes=_MOST_MODEL_BYTES, inside=content.inside
    )
    if compressed := find_extensions(model) & _COMPRESSIONS:
        raise Damaged(f"the viewer cannot read {', '.join(sorted(compressed))}")
    return render_model(content.sha256, model)


def _without(gallery: Gallery, failed: frozenset[str]) -> Gallery:
    """The gallery without links to what could not be made."""

    def kept(url: str) -> str:
        return "" if unquote(url) in failed else url

    def mend_file(file: GalleryFile) -> GalleryFile:
        return replace(
            file,
            src=kept(file.src),
            thumbnail=kept(file.thumbnail),
            embedded=kept(file.embedded),
        )

    def mend_reference(one: GalleryReference) -> GalleryReference:
        return replace(one, src=kept(one.src), thumbnail=kept(one.thumbnail))

    def mend_take(take: GalleryTake) -> GalleryTake:
        return replace(
            take,
            files=tuple(map(mend_file, take.files)),
            references=tuple(map(mend_reference, take.references)),
        )

    def mend_item(item: GalleryItem) -> GalleryItem:
        return replace(
            item,
            takes=tuple(map(mend_take, item.takes)),
            steps=tuple(map(mend_take, item.steps)),
            references=tuple(map(mend_reference, item.references)),
        )

    return replace(gallery, items=tuple(map(mend_item, gallery.items)))
