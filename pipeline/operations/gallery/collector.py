"""Manifest, ledger and output folder → the Gallery of a page. Writes nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pipeline.clock import format_utc
from pipeline.job import Job, prompt_name, prompt_of
from pipeline.manifest import Manifest, expand
from pipeline.manifest.chain import outputs_in
from pipeline.naming import STEP_MARK, item_of
from pipeline.operations.gallery.command_lines import CommandLines
from pipeline.operations.gallery.decisions import find_decisions, show_review
from pipeline.operations.gallery.files import Files
from pipeline.operations.gallery.links import Links
from pipeline.operations.gallery.page_options import PageOptions
from pipeline.operations.gallery.references import (
    ReferenceIndex,
    Used,
    are_same,
    show,
)
from pipeline.operations.gallery.texts import plain_text, shown, value_text
from pipeline.operations.gallery.totals import Spent, read_spent
from pipeline.operations.items import read_items_in
from pipeline.output.folder import is_by_emulator, open_ledger_of, output_folder
from pipeline.output.stores import option_for
from pipeline.record import Struct
from pipeline.report.gallery.data import (
    Gallery,
    GalleryItem,
    GalleryTake,
    GalleryTotals,
)
from pipeline.running.items import ItemRecord, ItemStatus, JobRecord
from pipeline.storage.store import Store


class Asked(Struct, frozen=True, kw_only=True):
    """What a take was made from, where that differs from what is asked for now.

    Attributes:
        prompt: The prompt, or "".
        used: The files; may be empty.
    """

    prompt: str
    used: tuple[Used, ...]


class Collector:
    """Gathers what a page shows of one manifest.

    Args:
        manifest: With its review.
        store: Where its files are; the output folder, its ``home``, need not exist.
        emulate: Whether the output folder is the emulator's.
        links: What the URLs lead to.
        allow_outside: Whether references may be outside the manifest's folder.
        options: What the page says beyond the facts.
    """

    def __init__(
        self,
        manifest: Manifest,
        store: Store,
        *,
        emulate: bool,
        links: Links,
        allow_outside: bool = False,
        options: PageOptions = PageOptions(),  # noqa: B008 - frozen
    ) -> None:
        self._manifest = manifest
        self._store = store
        self._emulate = emulate
        self._links = links
        self._files = Files(store, links)
        self._options = options
        usual = output_folder(manifest, output=None, emulate=emulate)
        self._commands = CommandLines(
            manifest=manifest,
            output="" if store.home == usual else str(store.home),
            store=option_for(store, manifest, emulate=emulate),
            emulate=emulate,
            allow_outside=allow_outside,
        )
        self._index = ReferenceIndex(manifest.models, {})
        self._children: dict[str, dict[str, None]] = {}
        self._axes = dict(_axes_by_entry(manifest))

    def collect(self, now: datetime) -> Gallery:
        """Everything, as it stands now; a run may be in progress.

        Args:
            now: In UTC.

        Raises:
            ManifestError: The manifest has faults.
            LedgerError: The ledger cannot be read.
            LockError: The lock file cannot be read.
            OutputError: The folder cannot be read.
        """
        manifest, store = self._manifest, self._store
        records: list[ItemRecord] = []
        with open_ledger_of(manifest, store.home, emulate=self._emulate) as ledger:
            uploads = ledger.find_all_uploads()
            self._index = ReferenceIndex(manifest.models, uploads)
            self._children = {}
            read_items_in(ledger, manifest, store, on_item=records.append)
            spent = read_spent(ledger)
            facts = ledger.find_facts()
        for record in records:
            self._learn(record)
        found = tuple(map(self._show, self._in_order(records)))
        review_path = manifest.review.path
        return Gallery(
            name=manifest.name,
            manifest=plain_text(manifest.file),
            output=plain_text(store.describe()),
            profile=manifest.profile,
            is_emulated=is_by_emulator(facts, emulate=self._emulate),
            made_at=format_utc(now),
            price=self._options.price,
            review_file=""
            if review_path is None
            else plain_text(self._shown(review_path)),
            rejected_command=plain_text(self._commands.for_rejected()),
            review=show_review(manifest.review, records),
            axes=self._axes_of(found),
            totals=self.totals_of(found, spent),
            points=spent.points,
            items=found,
        )

    def _in_order(self, records: Sequence[ItemRecord]) -> Sequence[ItemRecord]:
        """The items in the manifest's order; in a plan, some come late."""
        if not any(_comes_late(record) for record in records):
            return records
        ids = dict.fromkeys(item.base for item in expand(self._manifest))
        places = {item_id: place for place, item_id in enumerate(ids)}
        return sorted(records, key=lambda one: places.get(one.item_id, len(places)))

    def item_of(self, record: ItemRecord) -> GalleryItem:
        """One item; it uses what :meth:`collect` has learned about the others."""
        self._learn(record)
        return self._show(record)

    def _show(self, record: ItemRecord) -> GalleryItem:
        item, worst = record.item, record.worst
        axes = self._axes.get(item.template_id, {})
        own = list(self._index.find_in(item.params, item.model_id))
        return GalleryItem(
            id=record.item_id,
            entry=plain_text(item.template_id),
            model=item.model_id,
            state=str(record.status),
            reason=worst.reason,
            hint=self._hint(worst),
            command=plain_text(self._commands.for_item(record)),
            place=plain_text(item.place),
            prompt=prompt_of(item.params) or "",
            params={
                name: shown(value)
                for name, value in item.params.items()
                if name != prompt_name(item.params)
            },
            axes={
                name: value_text(value)
                for name, value in item.variables.items()
                if name in axes
            },
            variables={
                name: value_text(value)
                for name, value in item.variables.items()
                if name not in axes
            },
            references=show([*own, *self._index.find_of_steps(record)], self._links),
            parents=tuple(self._parents_of(record)),
            children=tuple(self._children.get(record.item_id, ())),
            charged=float(record.cost),
            chooses=item.chooses,
            takes=tuple(
                self._take(record, one, self._find_asked(record, one, own))
                for one in record.takes
            ),
            steps=tuple(self._take(record, one) for one in record.steps),
        )

    def _hint(self, one: JobRecord) -> str:
        return self._options.complete_hint(one.hint, one.job_id) if one.hint else ""

    def _learn(self, record: ItemRecord) -> None:
        contents = {
            saved.asset.path: content
            for one in (*record.takes, *record.steps)
            for saved in one.files
            if (content := self._files.look_at(saved)) is not None
        }
        self._index.learn(record, contents)
        for parent in self._parents_of(record):
            self._children.setdefault(parent, {})[record.item_id] = None

    @staticmethod
    def _parents_of(record: ItemRecord) -> dict[str, None]:
        """The ids of the items that it needs, each once."""
        planned = (one.planned for one in (*record.takes[:1], *record.steps))
        items = [record.item, *(one.item for one in planned if one is not None)]
        ids = (
            item_of(used.item_id) for one in items for _, used in outputs_in(one.params)
        )
        return {one: None for one in ids if one != record.item_id}

    # --- takes and files ------------------------------------------------------

    def _take(
        self, record: ItemRecord, one: JobRecord, asked: Asked | None = None
    ) -> GalleryTake:
        """A take or a step.

        Args:
            record: Its item.
            one: The take or step.
            asked: Of a take: what it was made from, if that differs from what the
                manifest asks for now.
        """
        newest = one.attempts[0] if one.attempts else None
        planned = one.planned
        seed, model = None, record.item.model_id
        if newest is not None:
            seed, model = newest.seed, newest.model_id
        if planned is not None:
            seed, model = seed or planned.job.seed, planned.item.model_id
        return GalleryTake(
            job_id=one.job_id,
            number=one.number,
            step=one.job_id.partition(STEP_MARK)[2],
            model=model,
            state=str(one.status),
            reason=one.reason,
            hint=self._hint(one),
            is_chosen=one.is_chosen,
            chosen_output=0 if planned is None else planned.chosen_output,
            is_wanted=planned is not None,
            seed=seed,
            charged=float(one.cost),
            attempts=sum(
                job.sent_at is not None or bool(job.remote_id) for job in one.attempts
            ),
            submitted_at=_time(newest, "submitted_at"),
            finished_at=_time(newest, "finished_at"),
            saved_at=_time(newest, "saved_at"),
            decisions=tuple(find_decisions(record, one)),
            prompt="" if asked is None else asked.prompt,
            references=() if asked is None else show(asked.used, self._links),
            files=tuple(self._files.find(one)),
        )

    def _find_asked(
        self, record: ItemRecord, one: JobRecord, own: Sequence[Used]
    ) -> Asked | None:
        """What a take was made from; None if the manifest still asks for that."""
        sent = one.made or next(iter(one.attempts), None)
        if sent is None or sent.request is None or _asks_the_same(one, sent):
            return None
        prompt = prompt_of(sent.request)
        used = list(self._index.find_in(sent.request, sent.model_id))
        return Asked(
            prompt="" if prompt == prompt_of(record.item.params) else prompt or "",
            used=() if are_same(used, own) else tuple(used),
        )

    # --- the whole ------------------------------------------------------------

    def _axes_of(self, items: Sequence[GalleryItem]) -> dict[str, tuple[str, ...]]:
        axes: dict[str, dict[str, None]] = {}
        for names in self._axes.values():
            for name, values in names.items():
                axes.setdefault(name, {}).update(dict.fromkeys(values))
        for item in items:  # ``include`` may add values
            for name, value in item.axes.items():
                axes.setdefault(name, {})[value] = None
        return {name: tuple(values) for name, values in axes.items()}

    def totals_of(self, items: Sequence[GalleryItem], spent: Spent) -> GalleryTotals:
        """The sums above the grid, of all items as they stand now."""
        files = [
            file
            for item in items
            for one in (*item.takes, *item.steps)
            for file in one.files
            if not file.is_missing
        ]
        limit = self._manifest.max_cost
        states = Counter(item.state for item in items)
        return GalleryTotals(
            states={str(one): states[one] for one in ItemStatus if states[one]},
            files=len(files),
            size_bytes=sum(file.size_bytes for file in files),
            charged=float(spent.total.net),
            reserved=float(spent.total.reserved),
            left=None
            if limit is None
            else float(max(limit - spent.committed, Decimal(0))),
        )

    def _shown(self, path: Path) -> str:
        """The review file's path, beside the manifest as the user gave it."""
        if path.parent == self._manifest.path.parent:
            return str(Path(self._manifest.file).with_name(path.name))
        return str(path)


def _comes_late(record: ItemRecord) -> bool:
    """Whether a plan decides about it after the rest: it needs others, or was one."""
    renamed = (one.planned and one.planned.old_id for one in record.takes)
    return bool(record.item.parents or record.steps or any(renamed))


def _asks_the_same(one: JobRecord, sent: Job) -> bool:
    """Whether an attempt had the request that the manifest makes now."""
    if one.planned is None:
        return False
    now = one.planned.job
    return sent.asks_for(now.job_key, now.request_key)


def _axes_by_entry(
    manifest: Manifest,
) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """By the id as it is written: the axes of the matrix, with their values."""
    for template in manifest.templates:
        if template.matrix is not None and template.item_id is not None:
            yield (
                str(template.item_id[1].value),
                {
                    name: [value_text(node.value) for node in nodes]
                    for name, nodes in template.matrix.axes.items()
                },
            )


def _time(job: Job | None, name: str) -> str:
    at = None if job is None else getattr(job, name)
    return "" if at is None else format_utc(at)
