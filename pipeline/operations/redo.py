"""Redo: another take with a fresh seed in the place of one that is rejected.

It writes the new take and its seed to the review file once the user has agreed to
the price, and before anything is paid for. So a redo that is killed is finished by the
next one, or by a run, and not paid for twice.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.clock import Clock, SystemClock
from pipeline.errors import UsageError
from pipeline.fault_points import reach
from pipeline.fingerprint import SEED_MAX
from pipeline.job import Item
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, expand
from pipeline.manifest.review import Added, ItemReview, Review
from pipeline.manifest.review_file import write_review
from pipeline.naming import TAKE_MARK, is_step, split_take, take_id
from pipeline.operations.plan import estimate
from pipeline.operations.reviewing import (
    Signature,
    find_take,
    find_targets,
    own_take,
    sign,
    verdict_on,
)
from pipeline.operations.run import Amend, Amended, run
from pipeline.operations.target import Source
from pipeline.planning import Action, PlannedItem, Selection
from pipeline.planning.inputs import keys_of
from pipeline.pricing import Estimate
from pipeline.record import Struct
from pipeline.record import replace as replace_record
from pipeline.running.result import RunResult
from pipeline.storage.store import Store

Draw = Callable[[int, int], int]  # a random number from the first to the second


class NewTake(Struct, frozen=True, kw_only=True):
    """A take that ``redo`` adds.

    Attributes:
        item_id: The item.
        take: The number of the new take.
        replaces: The number of the take in whose place it is.
        seed: The seed that it is made with; None if the model takes none.
    """

    item_id: str
    take: int
    replaces: int
    seed: int | None


def draw_seed(low: int, high: int) -> int:
    """A random seed in ``low..high``, both included."""
    return low + secrets.randbelow(high - low + 1)


async def redo(
    manifest: Source,
    ids: Sequence[str],
    *,
    seed: int | None = None,
    note: str = "",
    clock: Clock | None = None,
    draw: Draw = draw_seed,
    on_takes: Callable[[Sequence[NewTake]], None] = lambda _takes: None,
    **options: Any,
) -> RunResult:
    """Reject takes, and make another one of each with a fresh seed. Costs units.

    Args:
        manifest: As for :func:`run`.
        ids: Item ids, for their chosen takes; ids of takes such as ``hero@2``; or
            patterns of item ids.
        seed: The seed of the new takes; None for a random one each.
        note: A text for the review file, or "".
        clock: The clock to use; None for the machine's.
        draw: Draws a random seed.
        on_takes: Called with the new takes before the price is known.
        options: As for :func:`run`, without ``selection`` and ``saved_plan``.

    Raises:
        UsageError: An item or take does not exist or is not made, or the seed has been
            used for this request.
        InputError, RunError: As for :func:`run`.
    """
    clock = clock or SystemClock()
    amend = _amend(ids, clock, draw, seed=seed, note=note, on_takes=on_takes)
    return await run(manifest, clock=clock, amend=amend, **options)


async def estimate_redo(
    manifest: Source,
    ids: Sequence[str],
    *,
    clock: Clock | None = None,
    **options: Any,
) -> Estimate:
    """What :func:`redo` would cost; changes and spends nothing.

    A run may be in progress in the output folder.

    Args:
        manifest: As for :func:`redo`.
        ids: As for :func:`redo`.
        clock: As for :func:`redo`.
        options: As for ``estimate``, without ``selection``.

    Raises:
        UsageError: An item or take does not exist or is not made.
        InputError, RunError, JobError: As for ``estimate``.
    """
    clock = clock or SystemClock()
    amend = _amend(ids, clock, draw_seed)
    return await estimate(manifest, clock=clock, amend=amend, **options)


def _amend(
    ids: Sequence[str],
    clock: Clock,
    draw: Draw,
    *,
    seed: int | None = None,
    note: str = "",
    on_takes: Callable[[Sequence[NewTake]], None] = lambda _takes: None,
) -> Amend:
    """What adds the new takes to a manifest; the review file is written later."""

    def amend(loaded: Manifest, store: Store, ledger: Ledger) -> Amended:
        signature = sign(loaded, clock.utc_now())
        adding = _Adding(loaded, store, ledger, signature, draw, seed=seed, note=note)
        takes = adding.add(ids)
        on_takes(takes)
        review = adding.review

        def record() -> None:
            if review != loaded.review:
                write_review(review, loaded.path.name)
            reach("review-written")

        return Amended(
            manifest=replace(loaded, review=review),
            selection=Selection(
                ids=frozenset(take_id(one.item_id, one.take) for one in takes)
            ),
            before_spending=record,
            notes=tuple(adding.notes),
        )

    return amend


class _Adding:
    """Works out the new takes of one command.

    Attributes:
        review: With the takes added so far.
        notes: Sentences for the user.
    """

    def __init__(
        self,
        manifest: Manifest,
        store: Store,
        ledger: Ledger,
        signature: Signature,
        draw: Draw,
        *,
        seed: int | None,
        note: str,
    ) -> None:
        self._manifest = manifest
        self._store = store
        self._ledger = ledger
        self._signature = signature
        self._draw = draw
        self._seed = seed
        self._note = note
        self._pinned: Mapping[str, int] = {}
        self.review: Review = manifest.review
        self.notes: list[str] = []

    def add(self, ids: Sequence[str]) -> list[NewTake]:
        """Add a take for each one that is named.

        Raises:
            UsageError: See :func:`redo`.
        """
        targets = find_targets(self._manifest, self._store, self._ledger, ids)
        bases = frozenset(takes[0].item.base for takes in targets)
        self._pinned = _find_pinned(self._manifest, bases)
        return [new for takes in targets for new in self._add_to(takes, ids)]

    def _add_to(
        self, takes: Sequence[PlannedItem], ids: Sequence[str]
    ) -> Iterator[NewTake]:
        base = takes[0].item.base
        pending = {
            planned.item.take: planned
            for planned in takes
            if planned.then is Action.SUBMIT
            and not is_step(planned.item.item_id)
            and self.review.of(base).find_added(planned.item.take) is not None
        }
        named = [one for one in ids if TAKE_MARK in one and split_take(one)[0] == base]
        if not named and pending:
            yield self._reuse(list(pending.values())[-1], takes)
            return
        for one in named or [base]:
            before = split_take(one)[1] if named else 0
            waiting = [
                planned
                for number, planned in pending.items()
                if before and self.review.of(base).root_of(number) == before
            ]
            if before in pending or waiting:
                yield self._reuse(pending.get(before) or waiting[-1], takes)
                continue
            for planned, _ in find_take(takes, [one]):
                yield self._replace(planned, takes)

    def _reuse(self, planned: PlannedItem, takes: Sequence[PlannedItem]) -> NewTake:
        """An added take that was never paid for is made now."""
        base, number = planned.item.base, planned.item.take
        added = self.review.of(base).find_added(number)
        assert added is not None
        if self._seed is not None and self._seed != added.seed:
            others = [one for one in takes if one is not planned]
            added = replace_record(added, seed=self._fresh_seed(planned, others))
            item = self.review.of(base)
            rest = tuple(one for one in item.added if one.take != number)
            item = replace_record(item, added=rest).with_added(added)
            self.review = self.review.with_item(base, item)
        return NewTake(
            item_id=base, take=number, replaces=added.replaces, seed=added.seed
        )

    def _replace(self, planned: PlannedItem, takes: Sequence[PlannedItem]) -> NewTake:
        base = planned.item.base
        item = self.review.of(base)
        if planned.then is not Action.SKIP:  # it has not failed for good
            verdict = verdict_on(
                self._manifest, planned, self._signature, note=self._note
            )
            item = item.with_rejection(verdict)
        added = Added(
            take=self._next_number(base, item, takes),
            replaces=planned.item.take,
            seed=self._fresh_seed(own_take(takes, planned.item.take), takes),
            pinned=self._pinned.get(base),
            by=self._signature.by,
            at=self._signature.at,
        )
        self.review = self.review.with_item(base, item.with_added(added))
        return NewTake(
            item_id=base, take=added.take, replaces=added.replaces, seed=added.seed
        )

    def _next_number(
        self, base: str, item: ItemReview, takes: Sequence[PlannedItem]
    ) -> int:
        known = [split_take(one)[1] for one in self._ledger.find_take_ids(base)]
        known += [planned.item.take for planned in takes]
        known += [one.take for one in item.added]
        return 1 + max(known)

    def _fresh_seed(
        self, planned: PlannedItem, takes: Sequence[PlannedItem]
    ) -> int | None:
        """A seed that no take of this request has used; None for a model without one.

        Raises:
            UsageError: The seed that the user wants has been used, or is not allowed.
        """
        item = planned.item
        schema = self._manifest.models(item.model_id)
        is_pinned = type(item.params.get("seed")) is int
        seeds = (0, SEED_MAX) if schema is None and is_pinned else None
        seeds = schema.seed_range if schema is not None else seeds
        if seeds is None:
            if self._seed is not None:
                raise UsageError(
                    f"{item.model_id} takes no seed",
                    hint="leave out --seed; another result is likely, but not certain",
                )
            self.notes.append(
                f"{item.model_id} takes no seed: that {item.base} comes out differently"
                " is likely, but not certain"
            )
            return None
        low, high = seeds
        used = self._used_seeds(item, takes)
        if self._seed is None:
            seed = self._draw(low, high)
            while seed in used and len(used) <= high - low:
                seed = self._draw(low, high)
            return seed
        if not low <= self._seed <= high:
            raise UsageError(
                f"--seed {self._seed} is not a seed of {item.model_id}",
                hint=f"choose one from {low} to {high}",
            )
        if self._seed in used:
            raise UsageError(
                f"--seed {self._seed} was used for {used[self._seed]}: the same request"
                " would give the same result",
                hint=f"pipeline restore {self._manifest.typed} {item.base} --take"
                f" {split_take(used[self._seed])[1]}, or choose another seed",
            )
        return self._seed

    def _used_seeds(self, item: Item, takes: Sequence[PlannedItem]) -> dict[int, str]:
        """The seeds that takes of the same request have used, or will use."""
        schema = self._manifest.models(item.model_id)
        plain = {name: value for name, value in item.params.items() if name != "seed"}
        derived = set(keys_of(item.model_id, plain, schema))
        used: dict[int, str] = {}
        for job_id in self._ledger.find_take_ids(item.base):
            for job in self._ledger.find_jobs_of(job_id):
                if job.seed is None:
                    continue
                seeded = {**plain, "seed": job.seed}
                keys = derived | set(keys_of(item.model_id, seeded, schema))
                if not keys.isdisjoint({job.job_key, job.request_key}):
                    used.setdefault(job.seed, job_id)
        for planned in takes:
            seed = planned.params.get("seed")
            if isinstance(seed, int):
                used.setdefault(seed, planned.item.item_id)
        return used


def _find_pinned(manifest: Manifest, bases: frozenset[str]) -> dict[str, int]:
    """The seeds that the manifest itself gives to items."""
    found: dict[str, int] = {}
    for item in expand(replace(manifest, review=Review())):
        seed = item.params.get("seed")
        if item.base in bases and item.take == 1 and type(seed) is int:
            found[item.base] = seed
    return found
