"""Shards: the items of a manifest, divided between machines that do not see each other.

What belongs together is in one shard: the takes and steps of an item, items that use
each other's outputs, and the former id that a renamed item names. So no shard pays for
what another one makes. Which shard that is depends on the manifest alone, never on what
is made already, so all machines agree on it.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.counting import plural
from pipeline.errors import UsageError
from pipeline.job import Item
from pipeline.manifest import Manifest, expand
from pipeline.naming import item_of

_SYNTAX = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})")
_STEPS = 10_000  # the smallest part of a compute unit that a budget is divided into


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the parts that a manifest is divided into.

    Attributes:
        number: Which one, from 1 to ``count``.
        count: How many there are.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str) -> Shard:
    """``2/5``: the second of five.

    Raises:
        UsageError: Anything else.
    """
    found = _SYNTAX.fullmatch(text.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(
            f"'{text[:40]}' is not a shard",
            hint="write --shard 2/5 for the second of five",
        )
    return Shard(int(found[1]), int(found[2]))


class Division:
    """The items of one shard, and how many of all they are.

    Args:
        manifest: The manifest; it is expanded, and kept in memory is only who belongs
            together.
        shard: Which part of it.

    Attributes:
        shard: As given.
        own: How many items the shard has; takes and steps count one by one.
        total: How many the manifest has.

    Raises:
        ManifestError: With every fault that the expansion found.
    """

    def __init__(self, manifest: Manifest, shard: Shard) -> None:
        self.shard = shard
        self._written = manifest.written_count
        links: defaultdict[str, set[str]] = defaultdict(set)
        sizes: Counter[int] = Counter()
        for item in expand(manifest):
            sizes[self._number_of(item.base)] += 1
            if others := _links_of(item):
                links[item.base] |= others
        self._origins = _find_origins(links)
        if self._origins:
            sizes = Counter(self._find(item.base) for item in expand(manifest))
        self.own, self.total = sizes[shard.number], sizes.total()

    def __str__(self) -> str:
        noun = "item" if self.total == self._written else "job"
        return f"shard {self.shard}: {self.own:,} of {plural(self.total, noun)}"

    def holds(self, job_id: str) -> bool:
        """Whether the shard has an item, by the id of any job of it."""
        return self._find(item_of(job_id)) == self.shard.number

    def _find(self, base: str) -> int:
        return self._number_of(self._origins.get(base, base))

    def _number_of(self, origin: str) -> int:
        digest = hashlib.sha256(origin.encode()).digest()
        return int.from_bytes(digest) % self.shard.count + 1


def share_of(limit: Decimal | None, *, own: int, total: int) -> Decimal | None:
    """A shard's part of a budget; those of all shards are never more than the budget.

    Args:
        limit: The budget, or None.
        own: How many items the shard has.
        total: How many all shards have.
    """
    if limit is None:
        return None
    steps = int(limit * _STEPS) * own // max(1, total)
    return Decimal(steps) / _STEPS


def share_of_all(
    limit: Decimal | None, divisions: Iterable[Division | None]
) -> Decimal | None:
    """The same of a budget that several manifests have together.

    Args:
        limit: The budget, or None.
        divisions: How each manifest is divided; None if it is not.
    """
    known = [division for division in divisions if division is not None]
    if not known:
        return limit
    return share_of(
        limit,
        own=sum(division.own for division in known),
        total=sum(division.total for division in known),
    )


def _links_of(item: Item) -> set[str]:
    """The other items that have to be in the same shard as this one."""
    names = {item_of(parent) for parent in item.parents}
    if item.was:
        names.add(item_of(item.was))
    return names - {item.base}


def _find_origins(links: Mapping[str, set[str]]) -> dict[str, str]:
    """By item, what stands for all items that are linked with it, directly or not.

    That is the first of those which need no other, by its id: the beginning of a line,
    and the former id of a renamed item.
    """
    joined: defaultdict[str, set[str]] = defaultdict(set)
    for base, others in links.items():
        joined[base] |= others
        for other in others:
            joined[other].add(base)
    origins: dict[str, str] = {}
    for base in joined:
        if base in origins:
            continue
        group, found = [base], {base}
        for member in group:  # grows
            group += (new := joined[member] - found)
            found |= new
        origin = min(found - links.keys() or found)
        origins |= dict.fromkeys(found, origin)
    return origins
