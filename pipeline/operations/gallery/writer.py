"""A gallery that opens from disk: records and files → a folder."""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio.to_thread

from pipeline.activity import Activity
from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.glb import find_extensions
from pipeline.assets.drawn import UNDRAWN, find_drawn
from pipeline.assets.thumbnail import DRAWN_TYPE
from pipeline.manifest import Manifest
from pipeline.operations.gallery.collector import Collector
from pipeline.operations.gallery.files import draw
from pipeline.operations.gallery.links import DiskLinks, ShownFile
from pipeline.operations.gallery.page_options import PageOptions
from pipeline.output.gallery_folder import (
    GALLERY_FOLDER,
    GalleryFolder,
    holding_gallery,
)
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
from pipeline.storage.regular_file import RegularFile
from pipeline.storage.store import Store

logger = logging.getLogger(__name__)

_MOST_THREADS = 4
_REMOTE_THREADS = 8  # which mostly wait
_PREVIEW_PX = 2048  # of the longer edge: what most models make, pixel by pixel
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
    store: Store,
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
        store: Where its files are.
        emulate: Whether the output folder is the emulator's.
        now: In UTC.
        folder: Where to: gets a copy of every file that it shows. None for a folder in
            the output folder that refers to the files where they are; of pictures in a
            bucket it has previews.
        allow_outside: As for :class:`Collector`.
        options: Likewise.
        tick: Called often with what is done now; may raise to stop.

    Raises:
        UsageError: The folder has other things in it.
        LedgerBusy: Another command writes this gallery.
        ManifestError, LedgerError, LockError: As for :meth:`Collector.collect`.
        OutputError: Something cannot be read or written.
    """
    with holding_gallery(folder or store.home / GALLERY_FOLDER) as held:
        links = DiskLinks(held, copies=folder is not None)
        collector = Collector(
            manifest,
            store,
            emulate=emulate,
            links=links,
            allow_outside=allow_outside,
            options=options,
        )
        gallery = collector.collect(now)
        threads = _REMOTE_THREADS if store.is_remote else _threads()
        writing = _Writing(held, links, tick, threads, output=store.workspace)
        return writing.carry_out(gallery)


async def write_gallery_shown(
    manifest: Manifest,
    store: Store,
    *,
    activity: Activity,
    **named: Any,
) -> Written:
    """As :func:`write_gallery`, in a thread that a cancellation stops.

    Args:
        manifest: As for :func:`write_gallery`.
        store: Likewise.
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
            return write_gallery(manifest, store, tick=tick, **named)
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
        self,
        folder: GalleryFolder,
        links: DiskLinks,
        tick: Callable[[str], None],
        threads: int,
        *,
        output: Path,
    ) -> None:
        self._output = output
        self._tick = tick
        self._threads = threads
        self._folder = folder
        self._links = links
        self._failed: set[str] = set()

    def carry_out(self, gallery: Gallery) -> Written:
        folder, links = self._folder, self._links
        fixed = dict(page_files())
        if links.scripts:
            fixed |= viewer_files()
        folder.begin([*links.made, *fixed, DATA_NAME, PAGE_NAME])
        self._copy(links.copied)
        self._make("previews", links.previews, _draw_preview)
        thumbnails = self._from_here(links.thumbnails)
        drawn = self._make("thumbnails", thumbnails, self._draw)
        self._make("3D models", self._from_here(links.scripts), _embed)
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
            drawn=drawn,
            size_bytes=folder.size_bytes - sum(map(folder.size_of, links.copied)),
        )

    def _make(
        self,
        what: str,
        wanted: Mapping[str, ShownFile],
        make: Callable[[ShownFile], bytes],
    ) -> int:
        """Make what is not there yet, a few at a time; the number of what was made."""

        def make_one(name: str) -> None:
            try:
                made = make(wanted[name])
            except UNDRAWN as error:
                logger.info("no %s: %s", name, error)
                self._failed.add(name)
                return
            self._folder.write(name, made)

        missing = [name for name in wanted if not self._folder.has(name)]
        self._each(what, missing, make_one)
        return sum(name not in self._failed for name in missing)

    def _draw(self, shown: ShownFile) -> bytes:
        """The thumbnail that a worker of the run has drawn, or a new one."""
        return find_drawn(self._output, shown.sha256) or draw(shown)

    def _copy(self, wanted: Mapping[str, ShownFile]) -> None:
        def copy_one(name: str) -> None:
            shown = wanted[name]
            assert shown.content is not None
            try:
                if shown.path is None:
                    self._folder.fetch(shown.content, name, shown.sha256)
                else:
                    self._folder.copy(shown.path, name)
            except OSError as error:
                logger.info("no %s: %s", name, error)
                self._failed.add(name)

        self._each("copies", list(wanted), copy_one)

    def _each(self, what: str, names: Sequence[str], do: Callable[[str], None]) -> None:
        pool = ThreadPoolExecutor(self._threads)
        try:
            for count, _ in enumerate(pool.map(do, names), 1):
                self._tick(f"{count:,} of {len(names):,} {what}")
        finally:
            pool.shutdown(cancel_futures=True)

    def _from_here(self, wanted: Mapping[str, ShownFile]) -> Mapping[str, ShownFile]:
        """What to make others of: of files in a bucket, what this folder has of them.

        So nothing is fetched twice.
        """
        here = {}
        for name, shown in {**self._links.previews, **self._links.copied}.items():
            if shown.path is None and name not in self._failed:
                path = self._folder.path / name
                media_type = (
                    DRAWN_TYPE if name in self._links.previews else shown.media_type
                )
                here[shown.sha256] = replace(
                    shown, content=RegularFile(path), path=path, media_type=media_type
                )
        return {name: here.get(one.sha256, one) for name, one in wanted.items()}


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _draw_preview(shown: ShownFile) -> bytes:
    return draw(shown, edge_px=_PREVIEW_PX)


def _embed(shown: ShownFile) -> bytes:
    assert shown.content is not None
    with shown.content.open("rb") as file:
        model = file.read(_MOST_MODEL_BYTES + 1)
    if len(model) > _MOST_MODEL_BYTES:
        raise Damaged(f"it has more than {_MOST_MODEL_BYTES:,} bytes")
    if compressed := find_extensions(model) & _COMPRESSIONS:
        raise Damaged(f"the viewer cannot read {', '.join(sorted(compressed))}")
    return render_model(shown.sha256, model)


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
