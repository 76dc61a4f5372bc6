"""``matrix`` of an item → combinations of axis values, counted before they are made.

The semantics are those of GitHub Actions: ``exclude`` removes every combination that
has all of its values; then each ``include`` adds its other keys to the combinations it
agrees with, or, if there are none, becomes a combination of its own. Beyond that, a
value of an axis can bring further variables along; ``include`` may override them.
"""

import itertools
from collections.abc import Iterator, Mapping

from pipeline.manifest.node import Node
from pipeline.record import Struct

ValueKey = tuple[str, object]
# axis → key of the value it must have
Constraint = Mapping[str, ValueKey]

# How many steps counting may take when excludes overlap.
MAX_COUNT_STEPS = 2_000_000


def value_key(node: Node) -> ValueKey:
    """The key by which two scalars are compared: 1.0 equals 1, but true does not."""
    value = node.value
    if isinstance(value, bool):
        return ("boolean", value)
    return ("number" if isinstance(value, int | float) else "text", value)


class TooManyExcludes(Exception):
    """The excludes overlap in too many ways to be counted."""


class Matrix(Struct, frozen=True):
    """The axes of an item, and what is removed from and added to their product.

    Attributes:
        axes: Name → values; at least one, without duplicates.
        exclude: Axis → value; at least one entry each.
        include: Any key → value; at least one entry each.
        brought: Axis → key of its value → the variables that come with that value.
    """

    axes: Mapping[str, tuple[Node, ...]]
    exclude: tuple[Mapping[str, Node], ...] = ()
    include: tuple[Mapping[str, Node], ...] = ()
    brought: Mapping[str, Mapping[ValueKey, Mapping[str, Node]]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Every variable that some combination has."""
        brought = [one for values in self.brought.values() for one in values.values()]
        return frozenset(self.axes).union(*self.include, *brought)

    @property
    def product_size(self) -> int:
        """Combinations before ``exclude`` and ``include``; 0 without axes."""
        size = 1 if self.axes else 0
        for values in self.axes.values():
            size *= len(values)
        return size

    def count(self) -> int:
        """How many combinations there are, computed without making them.

        Raises:
            TooManyExcludes: It would take too long.
        """
        excludes = list(map(self._constraint, self.exclude))
        return _Counter(self.axes, excludes).count({}) + len(self._standalone())

    def combinations(self) -> Iterator[dict[str, Node]]:
        """The combinations: the last axis moves fastest, includes come last.

        Raises:
            TooManyExcludes: As for ``count``.
        """
        standalone = self._standalone()
        alone = frozenset(standalone)
        excluded = _Index(dict(enumerate(map(self._constraint, self.exclude))))
        added = _Index(
            {
                index: self._constraint(entry)
                for index, entry in enumerate(self.include)
                if index not in alone
            }
        )
        keyed = [
            [(value_key(node), node) for node in nodes] for nodes in self.axes.values()
        ]
        for chosen in itertools.product(*keyed) if self.axes else ():
            combination = dict(
                zip(self.axes, (node for _, node in chosen), strict=True)
            )
            if excluded or added:
                keys = dict(zip(self.axes, (key for key, _ in chosen), strict=True))
                if excluded.matches(keys):
                    continue
                self._bring(combination)
                for index in sorted(added.matches(keys)):
                    extra = self.include[index]
                    combination.update((k, extra[k]) for k in extra.keys() - self.axes)
            else:
                self._bring(combination)
            yield combination
        for index in standalone:
            combination = dict(self.include[index])
            self._bring(combination)
            yield combination

    def _bring(self, combination: dict[str, Node]) -> None:
        """Add the variables that the combination's values bring along."""
        for axis, values in self.brought.items():
            node = combination.get(axis)
            if node is not None:
                for name, value in values.get(value_key(node), {}).items():
                    combination.setdefault(name, value)

    def _constraint(self, entry: Mapping[str, Node]) -> Constraint:
        return {k: value_key(node) for k, node in entry.items() if k in self.axes}

    def _standalone(self) -> list[int]:
        """The includes that no combination agrees with."""
        if not self.include:
            return []
        counter = _Counter(self.axes, list(map(self._constraint, self.exclude)))
        return [
            index
            for index, entry in enumerate(self.include)
            if not counter.count(self._constraint(entry))
        ]


class _Counter:
    """Counts the combinations that have given values and that no exclude removes.

    Walks the axes with the excludes that still agree, and treats all values that no
    exclude names as one. The cost grows with the excludes, not with the combinations.
    """

    def __init__(
        self, axes: Mapping[str, tuple[Node, ...]], excludes: list[Constraint]
    ) -> None:
        self._axes = [
            (name, frozenset(map(value_key, nodes))) for name, nodes in axes.items()
        ]
        self._excludes = excludes
        self._steps = 0

    def count(self, wanted: Constraint) -> int:
        """How many combinations have the wanted values; 0 without axes.

        Raises:
            TooManyExcludes: It would take too long.
        """
        if not self._axes:
            return 0
        memo: dict[tuple[int, frozenset[int]], int] = {}
        return self._count(0, frozenset(range(len(self._excludes))), wanted, memo)

    def _count(
        self,
        position: int,
        active: frozenset[int],
        wanted: Constraint,
        memo: dict[tuple[int, frozenset[int]], int],
    ) -> int:
        # ``active``: the excludes that agree with all axes before ``position``.
        if position == len(self._axes):
            return 0 if active else 1
        if (position, active) in memo:
            return memo[position, active]
        self._steps += len(active) + 1
        if self._steps > MAX_COUNT_STEPS:
            raise TooManyExcludes
        name, values = self._axes[position]
        if name in wanted:
            values &= {wanted[name]}
        free: list[int] = []
        named: dict[ValueKey, list[int]] = {}
        for index in active:
            value = self._excludes[index].get(name)
            if value is None:
                free.append(index)
            elif value in values:
                named.setdefault(value, []).append(index)
        position += 1
        total = len(values) - len(named)
        if total:
            total *= self._count(position, frozenset(free), wanted, memo)
        for indexes in named.values():
            total += self._count(position, frozenset(free + indexes), wanted, memo)
        memo[position - 1, active] = total
        return total


class _Index:
    """Finds the constraints that a combination meets, without trying each one."""

    def __init__(self, constraints: Mapping[int, Constraint]) -> None:
        self._groups: dict[tuple[str, ...], dict[tuple[ValueKey, ...], list[int]]] = {}
        for index, constraint in constraints.items():
            names = tuple(sorted(constraint))
            group = self._groups.setdefault(names, {})
            group.setdefault(tuple(constraint[n] for n in names), []).append(index)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def matches(self, keys: Constraint) -> list[int]:
        """The indexes of the constraints that these values meet."""
        found: list[int] = []
        for names, group in self._groups.items():
            found += group.get(tuple(keys[name] for name in names), ())
        return found
