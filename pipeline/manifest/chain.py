"""Items that use the outputs of other items: ``item:ID``, and what is wrong with it.

An item is the *child* of every item whose output it uses; those are its *parents*.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from pipeline.counting import plural
from pipeline.job import ItemOutput, JsonValue, ParamValue
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import check_id
from pipeline.manifest.references import BadPath
from pipeline.models.record import KINDS
from pipeline.models.wording import suggestion
from pipeline.naming import item_of
from pipeline.record import Struct

_SYNTAX = "write item:ID, or item:ID/N for its Nth output"
_MOST_SUGGESTED = 50_000  # ids that are searched for the one that was meant

Place = tuple[str, int, int]


def parse_output(text: str) -> ItemOutput:
    """What follows ``item:``: an id, or an id, a slash and the number of an output.

    Raises:
        BadPath: It is neither.
    """
    item_id, slash, number = text.rpartition("/")
    if not slash or not number.isdecimal():
        item_id, number = text, "1"
    if check_id(item_id) is not None:
        raise BadPath(f"item:{text[:80]} does not name an item", _SYNTAX)
    if int(number) < 1:
        raise BadPath(f"item:{text[:80]}: outputs are numbered from 1", _SYNTAX)
    return ItemOutput(item_id=item_id, index=int(number))


def outputs_in(
    params: Mapping[str, ParamValue],
) -> Iterator[tuple[tuple[str | int, ...], ItemOutput]]:
    """Every output of another item among the inputs, with its path."""
    for name, value in params.items():
        yield from _outputs_in(value, (name,))


def _outputs_in(
    value: ParamValue, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], ItemOutput]]:
    if isinstance(value, ItemOutput):
        yield path, value
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _outputs_in(element, (*path, index))
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _outputs_in(entry, (*path, key))


def with_outputs(
    params: Mapping[str, ParamValue], change: Callable[[ItemOutput], ParamValue]
) -> dict[str, ParamValue]:
    """The inputs with every output of another item changed."""
    return {name: _with_outputs(value, change) for name, value in params.items()}


def _with_outputs(
    value: ParamValue, change: Callable[[ItemOutput], ParamValue]
) -> ParamValue:
    if isinstance(value, ItemOutput):
        return change(value)
    if isinstance(value, list):
        return [_with_outputs(element, change) for element in value]
    if isinstance(value, dict):
        entries = {key: _with_outputs(entry, change) for key, entry in value.items()}
        return cast("ParamValue", cast("dict[str, JsonValue]", entries))
    return value


class Link(Struct, frozen=True, kw_only=True):
    """One use of another item's output.

    Attributes:
        child: The id of the item that uses it.
        output: What is used.
        place: File, line and column.
        input_name: The input that gets it.
        kind: The kind of file that the input takes; "" if it is not known.
    """

    child: str
    output: ItemOutput
    place: Place
    input_name: str = ""
    kind: str = ""


class Made(Struct, frozen=True, kw_only=True):
    """What an item makes, as other items see it: with steps, what the last one makes.

    Attributes:
        item_id: The item.
        count: The number of its outputs; None if it is not known.
        kind: Of ``KINDS``, or "".
        own_kind: The same before its steps.
    """

    item_id: str
    count: int | None
    kind: str = ""
    own_kind: str = ""


def check_links(links: Sequence[Link], items: Iterator[Made], faults: Faults) -> None:
    """Report outputs that no item makes or no input takes, and items in a circle.

    Args:
        links: Every use of an output in the manifest.
        items: What every item makes.
        faults: Collects what is wrong.
    """
    wanted = {link.output.item_id for link in links}
    found: dict[str, Made] = {}
    known: list[str] = []
    for made in items:
        if made.item_id in wanted:
            found[made.item_id] = made
        if len(known) < _MOST_SUGGESTED:
            known.append(made.item_id)
    for link in links:
        output = link.output
        if output.item_id not in found:
            text = f"there is no item '{output.item_id}'"
            _add(faults, link, text, _suggestion(output, known))
        else:
            _check_link(link, found[output.item_id], faults)
    _report_cycles(links, faults)


def _check_link(link: Link, made: Made, faults: Faults) -> None:
    is_own_step = link.child != made.item_id == item_of(link.child)
    kind = made.own_kind if is_own_step else made.kind
    if made.count is not None and link.output.index > made.count:
        text = f"item '{made.item_id}' makes {plural(made.count, 'output')}, not"
        _add(faults, link, f"{text} {link.output.index}", "use a smaller number")
    elif kind and link.kind in KINDS and link.kind != kind:
        text = f"'{link.input_name}' takes {link.kind} files; item '{made.item_id}'"
        hint = f"use an item that makes {link.kind} files"
        _add(faults, link, f"{text} makes {kind}", hint)


def _suggestion(output: ItemOutput, known: Sequence[str]) -> str:
    numbered = f"{output.item_id}/{output.index}"
    if numbered in known:  # a number at the end of an id looks like an output's
        return f"for item '{numbered}' write item:{numbered}/1"
    return suggestion(output.item_id, known)


def _report_cycles(links: Sequence[Link], faults: Faults) -> None:
    """Report each circle of items once, at one of its links."""
    outgoing: dict[str, list[Link]] = {}
    for link in links:
        outgoing.setdefault(link.child, []).append(link)
    seen: set[str] = set()
    for start, own in outgoing.items():
        # Depth first, without recursion: a line may have thousands of items.
        trail: list[tuple[str, Iterator[Link]]] = []
        on_trail: dict[str, None] = {}
        if start not in seen:
            trail.append((start, iter(own)))
            on_trail[start] = None
        while trail:
            child, left = trail[-1]
            found = next(left, None)
            if found is None:
                trail.pop()
                on_trail.pop(child)
                seen.add(child)
                continue
            parent = found.output.item_id
            if parent in on_trail:
                ids = list(on_trail)
                circle = ids[ids.index(parent) :]
                text = "an item cannot need its own output"
                if len(circle) > 1:
                    text = f"these items need one another: {' → '.join(circle)}"
                _add(faults, found, text, "remove one of the links")
            elif parent not in seen and parent in outgoing:
                trail.append((parent, iter(outgoing[parent])))
                on_trail[parent] = None


def _add(faults: Faults, link: Link, message: str, hint: str) -> None:
    file, line, column = link.place
    faults.add_at(line, column, message, hint, file=file)
