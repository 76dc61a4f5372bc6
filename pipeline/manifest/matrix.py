"""``matrix`` of an item → combinations of axis values, counted before any is made.

The semantics are those of GitHub Actions: ``exclude`` removes every combination
that has all of its values; then each ``include`` adds its other keys to the
combinations it agrees with, or, when there is none, is a combination of its own.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.manifest.source import Node

ValueKey = tuple[str, object]
# axis → key of the value it has to have
Constraint = Mapping[str, ValueKey]

# Counting what overlapping excludes leave may take this many steps.
MAX_COUNT_STEPS = 100_000


def value_key(node: Node) -> ValueKey:
    """What decides whether two scalars are the same: true is not 1, 1.0 is."""
    value = node.value
    if isinstance(value, bool):
        return ("boolean", value)
    return ("number" if isinstance(value, int | float) else "text", value)


class TooManyExcludes(Exception):
    """The excludes overlap in too many ways to be counted."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The axes of an item and what is taken out of and added to their product.

    Attributes:
        axes: Name → values, at least one, no two the same.
        exclude: Axis → value; at least one entry each.
        include: Any key → value; at least one entry each.
    """

    axes: Mapping[str, tuple[Node, ...]]
    exclude: tuple[Mapping[str, Node], ...] = ()
    include: tuple[Mapping[str, Node], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every variable that some combination has."""
        return frozenset(self.axes).union(*self.include)

    @property
    def product_size(self) -> int:
        """Combinations before ``exclude`` and ``include``; 0 without axes."""
        size = 1 if self.axes else 0
        for values in self.axes.values():
            size *= len(values)
        return size

    def count(self) -> int:
        """How many combinations there are, by arithmetic.

        Raises:
            TooManyExcludes: It would take too long.
        """
        return self._count_left({}) + len(self._standalone())

    def combinations(self) -> Iterator[dict[str, Node]]:
        """The combinations: the last axis moves fastest, includes come last.

        Raises:
            TooManyExcludes: As ``count``.
        """
        excluded = [self._constraint(entry) for entry in self.exclude]
        standalone = self._standalone()
        added = [
            (self._constraint(entry), {k: entry[k] for k in entry.keys() - self.axes})
            for index, entry in enumerate(self.include)
            if index not in standalone
        ]
        keyed = [
            [(value_key(node), node) for node in nodes] for nodes in self.axes.values()
        ]
        for chosen in itertools.product(*keyed) if self.axes else ():
            combination = dict(
                zip(self.axes, (node for _, node in chosen), strict=True)
            )
            if excluded or added:
                keys = dict(zip(self.axes, (key for key, _ in chosen), strict=True))
                if any(_agrees(wanted, keys) for wanted in excluded):
                    continue
                for wanted, extra in added:
                    if _agrees(wanted, keys):
                        combination.update(extra)
            yield combination
        for index in standalone:
            yield dict(self.include[index])

    def _constraint(self, entry: Mapping[str, Node]) -> Constraint:
        return {k: value_key(node) for k, node in entry.items() if k in self.axes}

    def _standalone(self) -> list[int]:
        return [
            index
            for index, entry in enumerate(self.include)
            if self._count_left(self._constraint(entry)) == 0
        ]

    def _count_left(self, wanted: Constraint) -> int:
        """How many combinations agree with ``wanted`` and are not excluded."""
        if not self.axes:
            return 0
        axes = [
            (name, frozenset(map(value_key, nodes)))
            for name, nodes in self.axes.items()
        ]
        excludes = [self._constraint(entry) for entry in self.exclude]
        memo: dict[tuple[int, frozenset[int]], int] = {}

        def count(position: int, active: frozenset[int]) -> int:
            # ``active``: the excludes that agree with all axes before ``position``.
            if position == len(axes):
                return 0 if active else 1
            if (position, active) in memo:
                return memo[position, active]
            if len(memo) > MAX_COUNT_STEPS // max(1, len(excludes)):
                raise TooManyExcludes
            name, values = axes[position]
            if name in wanted:
                values &= {wanted[name]}
            free = frozenset(i for i in active if name not in excludes[i])
            named = {excludes[i][name] for i in active - free} & values
            total = (len(values) - len(named)) * count(position + 1, free)
            for value in named:
                still = (i for i in active - free if excludes[i][name] == value)
                total += count(position + 1, free.union(still))
            memo[position, active] = total
            return total

        return count(0, frozenset(range(len(excludes))))


def _agrees(wanted: Constraint, keys: Mapping[str, ValueKey]) -> bool:
    return all(keys[name] == key for name, key in wanted.items())
