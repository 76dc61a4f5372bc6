"""ManifestDesk: one manifest that is served, as it stands now.

It holds the records of its page. What has changed is read again, and told to the pages
that are open.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from pipeline.clock import Clock
from pipeline.errors import ManifestError, PipelineError
from pipeline.manifest import Manifest
from pipeline.manifest.review_file import read_review
from pipeline.operations.gallery import Collector
from pipeline.operations.gallery.totals import Spent, read_spent
from pipeline.operations.items import read_items_in
from pipeline.operations.view.deciding import decide, refused, version_of
from pipeline.operations.view.links import ServedLinks
from pipeline.operations.view.redoing import Redos
from pipeline.operations.view.run_state import RunState
from pipeline.operations.view.run_tail import RunTail
from pipeline.operations.view.versions import Versions
from pipeline.operations.view.watching import (
    NOTHING,
    Changes,
    Watcher,
    changed_reviews,
)
from pipeline.output.folder import open_ledger_of
from pipeline.planning import Selection
from pipeline.record import replace as replace_record
from pipeline.report.gallery.data import Gallery, GalleryItem, GalleryServer
from pipeline.report.gallery.page import render_data, render_page
from pipeline.report.review.desk import Decision, PriceRequest, RedoRequest
from pipeline.report.review.feed import Feed
from pipeline.report.review.files import ServedFile
from pipeline.report.review.refused import Refused
from pipeline.running.items import ItemRecord
from pipeline.storage.store import Store

POLL_S = 0.5
_REST = 4  # times as long as the last look took: planning a large manifest takes long

logger = logging.getLogger(__name__)

T = TypeVar("T")

Load = Callable[[], tuple[Manifest, Store]]
MakeCollector = Callable[[Manifest, Store, ServedLinks], Collector]


class ManifestDesk:
    """One manifest that is served; see ``Desk``.

    Args:
        load: Reads the manifest, and opens its store; blocking.
        make_collector: Makes what gathers the records of its page.
        emulate: Whether the output folder is the emulator's.
        can_edit: Whether decisions are taken.
        clock: The source of time.

    Attributes:
        feed: What has changed.
        redos: Carries out redos; None to spend nothing.
        others: Name and URL of every manifest that is served.
    """

    def __init__(
        self,
        load: Load,
        make_collector: MakeCollector,
        *,
        emulate: bool,
        can_edit: bool,
        clock: Clock,
    ) -> None:
        self._load = load
        self._make_collector = make_collector
        self._emulate = emulate
        self._clock = clock
        self._looking = anyio.Lock()
        self._links = ServedLinks()
        self._versions = Versions()
        self._items: dict[str, GalleryItem] = {}
        self._pending = NOTHING
        self._is_broken = False
        self._run = RunState()
        self._tail: RunTail | None = None
        self._going: set[asyncio.Task[Any]] = set()
        self.feed = Feed()
        self.can_edit = can_edit
        self.redos: Redos | None = None
        self.others: tuple[tuple[str, str], ...] = ()

    # --- what it shows --------------------------------------------------------

    @property
    def can_spend(self) -> bool:
        """Whether takes may be made again."""
        return self.redos is not None

    @property
    def name(self) -> str:
        """The manifest's name."""
        return self.manifest.name

    async def open(self) -> None:
        """Read everything for the first time.

        Raises:
            PipelineError: The manifest or the ledger cannot be read.
        """
        await anyio.to_thread.run_sync(self._read_whole)
        for event in await self._look_at_tail():
            self._run.take(event)

    async def close(self) -> None:
        """Wait for what is being done, and close the ledger."""
        await asyncio.gather(*self._going, return_exceptions=True)
        self._watcher.close()

    async def watch(self) -> None:
        """Look for changes until cancelled."""
        while True:
            begun_s = self._clock.monotonic_s()
            try:
                await self.refresh()
            except PipelineError as error:
                logger.info("%s cannot be read now: %s", self.name, error.message)
            took_s = self._clock.monotonic_s() - begun_s
            await self._clock.sleep(max(POLL_S, _REST * took_s))

    async def follow(self) -> None:
        """Tell the pages what other processes' runs do, until cancelled."""
        while True:
            await self.look_at_run()
            await self._clock.sleep(POLL_S)

    async def look_at_run(self) -> None:
        """Tell the pages what the run of another process has done since the last look.

        A redo of this session tells it itself, and at once.
        """
        is_own = self._is_redoing
        events = await self._look_at_tail()
        if not (is_own or self._is_redoing):
            for event in events:
                self.tell_run(event)

    async def _look_at_tail(self) -> list[Mapping[str, Any]]:
        assert self._tail is not None, "everything was read once"
        return await anyio.to_thread.run_sync(self._tail.look)

    @property
    def _is_redoing(self) -> bool:
        return self.redos is not None and self.redos.is_at_work

    def tell_run(self, event: Mapping[str, Any]) -> None:
        """Tell the pages an event of a run, as ``--json`` prints it."""
        key = self._run.take(event)
        if key:  # in the place of the one before
            self.feed.put("run", lambda: event, key=key)
        else:
            self.feed.tell("run", event)

    async def refresh(self) -> None:
        """Read what has changed, and tell the pages.

        Raises:
            PipelineError: It cannot be read now.
        """
        await self._finished(self._refresh())

    async def _refresh(self) -> None:
        async with self._looking:
            # What cannot be read now is read the next time.
            self._pending |= await anyio.to_thread.run_sync(self._watcher.look)
            if self._pending != NOTHING and await self._take_in(self._pending):
                self._pending = NOTHING

    async def page(self) -> bytes:
        """``index.html``."""
        return await anyio.to_thread.run_sync(render_page, self._gallery)

    async def data_script(self) -> bytes:
        """``data.js``: the newest data of the page."""
        with suppress(PipelineError):  # what was read before is shown
            await self.refresh()
        gallery = replace_record(
            self._gallery,
            items=tuple(self._items.values()),
            server=GalleryServer(
                can_edit=self.can_edit,
                spend_left=self._left(),
                version=self._watcher.version,
                manifests=self.others,
                last_event=self.feed.id_of(self.feed.last),
                run=self._run.events,
            ),
        )
        return await anyio.to_thread.run_sync(render_data, gallery)

    def find_file(self, name: str) -> ServedFile | None:
        """A file of the gallery by its name in the URL, or None."""
        return self._links.find_file(name)

    async def thumbnail(self, name: str) -> bytes | None:
        """A WebP picture by its name in the URL, or None."""
        return await anyio.to_thread.run_sync(self._links.draw, name)

    # --- what it takes --------------------------------------------------------

    async def decide(self, decision: Decision) -> dict[str, Any]:
        """Write a decision; the item as it is now, and the version.

        Raises:
            Refused: It is not written; with 409 because something has changed.
        """
        self._check_item(decision.item)
        return await self._finished(self._decide(decision))

    async def _decide(self, decision: Decision) -> dict[str, Any]:
        async with self._looking:
            manifest, store, now = self.manifest, self.store, self._clock.utc_now()

            def check_version(current: str | None) -> None:
                if current is None or not self._versions.allow(
                    decision.version, current, decision.item
                ):
                    raise Refused(
                        409,
                        "the review file has changed since this page read it",
                        "look at the decisions again, then decide",
                    )

            def carry_out() -> tuple[str, str]:
                store.load()  # what another machine has put there meanwhile
                before = version_of(manifest.review.path)
                after = anyio.run(
                    lambda: decide(
                        manifest,
                        store,
                        decision,
                        check_version=check_version,
                        now=now,
                    )
                )
                return before, after

            try:
                before, after = await anyio.to_thread.run_sync(carry_out)
            except PipelineError as error:
                raise refused(error, what="decide") from error
            self._versions.note(before, after, decision.item)
        with suppress(PipelineError):  # it is written; the page follows later
            await self._refresh()
        item = self._check_item(decision.item)
        return {"item": item, "version": self._watcher.version}

    async def price(self, request: PriceRequest) -> dict[str, Any]:
        """What a redo would cost, what is left, and a quote."""
        assert self.redos is not None
        item = self._check_item(request.item)
        return await self._finished(self.redos.price(item, request.take))

    async def redo(self, request: RedoRequest) -> dict[str, Any]:
        """Reserve the price, and start the redo in the background."""
        assert self.redos is not None
        item = self._check_item(request.item)
        return self.redos.accept(
            item, request.take, quote=request.quote, units=request.units
        )

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of some work, which goes on if the page is closed meanwhile.

        Threads at work cannot be cancelled, and must not lose their lock.
        """
        task = asyncio.ensure_future(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return await asyncio.shield(task)

    def _check_item(self, item_id: str) -> GalleryItem:
        if item_id not in self._items:
            raise Refused(404, f"there is no item '{item_id}'", "load the page again")
        return self._items[item_id]

    def tell_spend(self) -> None:
        """Tell the pages what is left to spend."""
        self.feed.put("spend", lambda: {"left": self._left()})

    def _left(self) -> float | None:
        left = None if self.redos is None else self.redos.spending.left
        return None if left is None else float(left)

    # --- reading again --------------------------------------------------------

    def _read_whole(self) -> None:
        manifest, store = self._load()
        # First: it finds what changes meanwhile.
        watcher = Watcher(manifest, store.home)
        try:
            collector = self._make_collector(manifest, store, self._links)
            gallery = collector.collect(self._clock.utc_now())
        except BaseException:
            watcher.close()
            raise
        if self._tail is None or self._tail.output != store.home:
            self._tail = RunTail(store.home, self._clock)
        self.manifest, self.store = manifest, store
        self._watcher, self._collector = watcher, collector
        self._gallery: Gallery = gallery
        self._items = {item.id: item for item in gallery.items}

    async def _take_in(self, changes: Changes) -> bool:
        """Read what has changed, and tell the pages; False if it cannot be read."""
        if changes.is_whole:
            return await self._begin_anew()
        wanted = set(changes.items)
        if changes.has_review:
            wanted |= await anyio.to_thread.run_sync(self._read_decisions)
            self._pending |= Changes(items=frozenset(wanted))
            version = self._watcher.version
            self.feed.put("review", lambda: {"version": version})
        wanted = {one for one in self._with_children(wanted) if one in self._items}
        items, spent = await anyio.to_thread.run_sync(self._read_some, wanted)
        for item in items:
            if item != self._items[item.id]:
                self._items[item.id] = item
                self._put_item(item.id)
        self._tell_totals(spent)
        return True

    async def _begin_anew(self) -> bool:
        """Read everything again: the manifest was edited."""
        before = self._watcher
        try:
            await anyio.to_thread.run_sync(self._read_whole)
        except ManifestError as error:
            if not self._is_broken:
                message = error.message
                self.tell_run({"event": "warning", "message": message})
            self._is_broken = True
            return False
        self._is_broken = False
        before.close()
        self.feed.begin_anew()
        return True

    def _read_decisions(self) -> frozenset[str]:
        """Read the review file; the items about which something else is decided."""
        before = self.manifest.review
        path = before.path
        assert path is not None
        review = read_review(path)
        self.manifest = replace(self.manifest, review=review)
        return changed_reviews(before.items, review.items)

    def _read_some(self, ids: Collection[str]) -> tuple[list[GalleryItem], Spent]:
        manifest, store = self.manifest, self.store
        records: list[ItemRecord] = []
        if ids:
            store.load()
        with open_ledger_of(manifest, store.home, emulate=self._emulate) as ledger:
            if ids:
                read_items_in(
                    ledger,
                    manifest,
                    store,
                    on_item=records.append,
                    selection=Selection(ids=frozenset(ids)),
                )
            spent = read_spent(ledger)
        return [self._collector.item_of(one) for one in records], spent

    def _with_children(self, ids: Collection[str]) -> set[str]:
        """The items, and all that need them."""
        found, waiting = set(ids), list(ids)
        while waiting:
            item = self._items.get(waiting.pop())
            new = set(item.children) - found if item is not None else set()
            found |= new
            waiting += new
        return found

    def _put_item(self, item_id: str) -> None:
        self.feed.put("item", lambda: self._items[item_id], key=item_id)

    def _tell_totals(self, spent: Spent) -> None:
        totals = self._collector.totals_of(tuple(self._items.values()), spent)
        if totals == self._gallery.totals:
            return
        self._gallery = replace_record(
            self._gallery, totals=totals, points=spent.points
        )
        self.feed.put("totals", lambda: self._gallery.totals)
