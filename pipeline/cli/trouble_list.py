"""Failed and unsure items → lines that leave room for the end of the run.

Where they do not fit, items that failed for the same reason share a line.
"""

from collections.abc import Iterable, Iterator, Sequence

from pipeline.cli.console.printing import Room, failure_line
from pipeline.cli.console.text import one_line
from pipeline.cli.next_step import command_line, complete_hint
from pipeline.counting import plural
from pipeline.running.progress import Trouble

MOST_SHOWN = 20
_NAMED = 3  # items of a group
_LEAST_ROWS = 4  # one failure, and how many more there are


def trouble_lines(
    troubles: Sequence[Trouble], *, total: int, room: Room | None
) -> list[str]:
    """The failures with place, reason and hint; and how many more there are.

    Args:
        troubles: The items, in the order in which they went wrong; bounded.
        total: How many there are, with those that are not in ``troubles``.
        room: The columns, and the rows that may be used; None for any number.
    """
    alone = [[trouble] for trouble in troubles[:MOST_SHOWN]]
    if room is None:
        return _listed(alone, total=total)
    lines = _listed(alone, total=total)
    if room.rows_of(lines) <= room.rows:
        return lines
    groups = _by_reason(troubles)
    for count in range(len(groups), 0, -1):
        lines = _listed(groups[:count], total=total)
        if room.rows_of(lines) <= max(_LEAST_ROWS, room.rows):
            break
    return lines


def _listed(groups: Sequence[Sequence[Trouble]], *, total: int) -> list[str]:
    lines = [line for group in groups for line in _lines_of(group)]
    more = total - sum(map(len, groups))
    if more > 0:
        lines.append(f"… and {more:,} more: {command_line('status')}")
    return lines


def _by_reason(troubles: Iterable[Trouble]) -> list[list[Trouble]]:
    """Those with the same reason and hint together, the largest group first."""
    groups: dict[tuple[str, str, bool], list[Trouble]] = {}
    for trouble in troubles:
        key = trouble.reason, trouble.hint, trouble.is_unsure
        groups.setdefault(key, []).append(trouble)
    return sorted(groups.values(), key=len, reverse=True)


def _lines_of(group: Sequence[Trouble]) -> Iterator[str]:
    first = group[0]
    if len(group) == 1:
        yield failure_line(
            first.item_id,
            first.reason,
            place=first.place,
            is_unsure=first.is_unsure,
        )
    else:
        named = ", ".join(map(_name_of, group[:_NAMED]))
        more = len(group) - _NAMED
        named += f" and {more:,} more" if more > 0 else ""
        yield failure_line(
            plural(len(group), "item"), first.reason, is_unsure=first.is_unsure
        )
        yield f"    {named}"
    if first.hint:
        yield f"    {one_line(complete_hint(first.hint, first.item_id), 400)}"


def _name_of(trouble: Trouble) -> str:
    where = f" ({one_line(trouble.place, 60)})" if trouble.place else ""
    return one_line(trouble.item_id, 60) + where
