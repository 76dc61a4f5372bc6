"""``save``, ``embed`` and ``checks``: nodes → Saving, and what is wrong with them.

A value may use the variables of its item. What an entry gives overrides the top level,
key by key; ``save: false`` and ``checks: false`` leave out all of it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from pipeline.job import JsonValue
from pipeline.manifest.combination import Combination, Reporter
from pipeline.manifest.faults import Faults
from pipeline.manifest.manifest import SavingDraft, SavingPath
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.substitution import (
    LeftOut,
    Unbound,
    is_dynamic,
    render_value,
    template_names,
)
from pipeline.models.wording import suggestion
from pipeline.save_spec import (
    FORMATS,
    LOSSY_FORMATS,
    MAX_EDGE_PX,
    CheckSpec,
    Fit,
    SaveSpec,
    Saving,
)

SAVE_KEYS = ("format", "quality", "resize", "fit", "trim", "max_bytes")
CHECK_KEYS = ("alpha", "not_blank", "min_px", "similar_to_another")
FORMAT_WORDS = ("original", *FORMATS, "jpg")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "save": SAVE_KEYS,
    "embed": (),
    "checks": CHECK_KEYS,
}
_HINTS = {
    "embed": "write `embed: true` beside `save`",
    "size": "did you mean 'resize'?",
    "width": "write `resize: 512x256`",
    "height": "write `resize: 512x256`",
    "type": "did you mean 'format'?",
}
# What a CSV cell that is a whole value is converted to.
_CELLS = {
    **dict.fromkeys(("quality", "min_px", "similar_to_another"), "number"),
    **dict.fromkeys(("trim", "embed", "alpha", "not_blank"), "boolean"),
}
_BOX = re.compile(r"\s*([0-9]{1,6})\s*[x*]\s*([0-9]{1,6})\s*")
_AMOUNT = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,3})?)\s*([kKMG]i?)?[bB]?\s*")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9} | {
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
}
_MOST_BYTES = 2**40
_DIGITS = re.compile(r"\s*[0-9]{1,12}\s*")

_Fault = tuple[SavingPath, str, str]  # where, what is wrong, and what to do


class _Wrong(ValueError):
    """A value that its key does not allow; the arguments are the message and hint."""


def read_draft(
    reader: NodeReader,
    entries: Mapping[str, Node],
    names: Collection[str],
    base: SavingDraft = SavingDraft(),  # noqa: B008 - frozen
) -> SavingDraft:
    """What an entry, or the top level, says about saving; unknown keys are faults.

    Args:
        reader: Reads nodes, and collects faults.
        entries: The keys of the entry.
        names: The variables that it may use.
        base: What applies where it says nothing.
    """
    values, nodes = dict(base.values), dict(base.nodes)
    own: dict[SavingPath, Node] = {}
    for key, known in _KEYS.items():
        node = entries.get(key)
        if node is None:
            continue
        if not known:
            own[key,] = node
        elif node.value is False:
            for path in [path for path in values if path[0] == key]:
                del values[path]
        else:
            inner = reader.entries(node, key)
            reader.unknown_keys(inner, known, _HINTS)
            own |= {(key, name): inner[name] for name in known if name in inner}
    for path, node in own.items():
        nodes[path] = node
        compiled = reader.value(node, names)
        if isinstance(compiled, Broken):
            values.pop(path, None)
        else:
            values[path] = compiled
    return SavingDraft(values=values, nodes=nodes)


def check_draft(draft: SavingDraft, faults: Faults) -> None:
    """Report the values that their keys do not allow, apart from variables.

    Whether they go together is left to the entries, which may change some of them.
    """
    plain = {
        path: value for path, value in draft.values.items() if not is_dynamic(value)
    }
    _, wrong = _read(cast("Mapping[SavingPath, JsonValue]", plain))
    _report(wrong, draft, faults)


def fix_draft(draft: SavingDraft, faults: Faults) -> Saving | SavingDraft:
    """The Saving of a draft without variables, or faults; else the draft itself."""
    if any(map(is_dynamic, draft.values.values())):
        check_draft(draft, faults)
        return draft
    typed, wrong = _read(cast("Mapping[SavingPath, JsonValue]", draft.values))
    _report([*wrong, *_find_clashes(typed)], draft, faults)
    return _saving_of(typed)


def render_saving(
    draft: SavingDraft, combination: Combination, reporter: Reporter
) -> Saving | None:
    """The Saving of one item, or None and faults."""
    values: dict[SavingPath, JsonValue] = {}
    for path, compiled in draft.values.items():
        try:
            value = render_value(compiled, combination.scope, _CELLS.get(path[-1], ""))
        except Unbound as exc:
            reporter.add_unbound(exc, draft.nodes[path], combination)
            return None
        is_absent = value is None and is_dynamic(compiled)
        if not isinstance(value, LeftOut) and not is_absent:
            values[path] = value
    typed, wrong = _read(values)
    wrong += _find_clashes(typed)
    for path, message, hint in wrong:
        names = tuple(template_names(draft.values[path]))
        place = reporter.origin(draft.nodes[path], names, combination)
        reporter.add(place, message, hint)
    return None if wrong else _saving_of(typed)


def _report(wrong: Iterable[_Fault], draft: SavingDraft, faults: Faults) -> None:
    for path, message, hint in wrong:
        faults.add(draft.nodes[path].mark, message, hint)


def _saving_of(typed: Mapping[SavingPath, Any]) -> Saving:
    save = {name: typed["save", name] for name in SAVE_KEYS if ("save", name) in typed}
    checks = {
        name: typed["checks", name] for name in CHECK_KEYS if ("checks", name) in typed
    }
    return Saving(
        save=SaveSpec(embed=typed.get(("embed",), False), **save),
        checks=CheckSpec(**checks),
    )


def _find_clashes(typed: Mapping[SavingPath, Any]) -> Iterator[_Fault]:
    """Values that cannot be obeyed together."""
    kind = typed.get(("save", "format"), "")
    quality, fit = ("save", "quality"), ("save", "fit")
    alpha, least = ("checks", "alpha"), ("checks", "min_px")
    box = typed.get(("save", "resize"))
    if quality in typed and kind and kind not in LOSSY_FORMATS:
        text = f"'quality' is for lossy formats, and {kind} is not one of them"
        yield quality, text, "leave it out, or set 'max_bytes'"
    if fit in typed and box is None:
        yield fit, "'fit' needs 'resize', which says what to fit", "add it"
    if typed.get(alpha) and kind == "jpeg":
        text = "no file could pass 'alpha': JPEG has no transparency"
        yield alpha, text, "save as png or webp"
    if least in typed and box is not None and typed[least] > min(box):
        text = f"no file could pass 'min_px': 'resize' makes {min(box)} px of them"
        yield least, text, "raise 'resize', or lower 'min_px'"


# --- one value ----------------------------------------------------------------


def _read(
    values: Mapping[SavingPath, JsonValue],
) -> tuple[dict[SavingPath, Any], list[_Fault]]:
    """The values as their keys want them, and what is wrong with the others."""
    typed: dict[SavingPath, Any] = {}
    wrong: list[_Fault] = []
    for path, value in values.items():
        try:
            typed[path] = _READERS[path[-1]](value)
        except _Wrong as error:
            message, hint = error.args
            wrong.append((path, f"'{path[-1]}' {message}", hint))
    return typed, wrong


def _read_format(value: JsonValue) -> str:
    words = ", ".join(FORMAT_WORDS[:-1])
    if not isinstance(value, str):
        raise _Wrong("must be the name of a format", f"one of {words}")
    if value not in FORMAT_WORDS:
        hint = suggestion(value, FORMAT_WORDS)
        hint = hint if hint.startswith("did") else f"one of {words}"
        raise _Wrong(f"cannot be '{value[:40]}'", hint)
    return {"original": "", "jpg": "jpeg"}.get(value, value)


def _read_fit(value: JsonValue) -> Fit:
    words = [str(fit) for fit in Fit]
    if value not in words:
        shown = value[:40] if isinstance(value, str) else "that"
        near = suggestion(shown, words)
        hint = near if near.startswith("did") else f"one of {', '.join(words)}"
        raise _Wrong(f"cannot be '{shown}'", hint)
    return Fit(str(value))


def _read_flag(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("must be true or false", "")
    return value


def _whole(low: int, high: int) -> Callable[[JsonValue], int]:
    def read(value: JsonValue) -> int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not low <= value <= high:  # type: ignore[operator]
            raise _Wrong(f"must be a whole number from {low:,} to {high:,}", "")
        return value  # type: ignore[return-value]

    return read


def _read_resize(value: JsonValue) -> tuple[int, int]:
    sides: list[JsonValue] = []
    if isinstance(value, str) and (box := _BOX.fullmatch(value)):
        sides = [int(box[1]), int(box[2])]
    elif isinstance(value, str) and _DIGITS.fullmatch(value):
        sides = [int(value)] * 2
    elif isinstance(value, list):
        sides = value
    elif not isinstance(value, str):
        sides = [value, value]
    are_pixels = len(sides) == 2 and all(  # noqa: PLR2004 - width and height
        isinstance(side, int)
        and not isinstance(side, bool)
        and 1 <= side <= MAX_EDGE_PX
        for side in sides
    )
    if not are_pixels:
        text = f"must be one or two edges, from 1 to {MAX_EDGE_PX:,} px"
        raise _Wrong(text, "write 512, 512x256 or [512, 256]")
    width, height = sides
    return width, height  # type: ignore[return-value]


def _read_bytes(value: JsonValue) -> int:
    found = _AMOUNT.fullmatch(str(value)) if type(value) in {int, str} else None
    size = 0
    if found is not None:
        size = int(float(found[1]) * _UNITS[(found[2] or "").lower()])
    if not 1 <= size <= _MOST_BYTES:
        raise _Wrong("must be a number of bytes", "write 200000, 200kB or 1.5MB")
    return size


def _read_similarity(value: JsonValue) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 1:  # type: ignore[operator]
        raise _Wrong("must be above 0 and at most 1", "1 finds equal pictures only")
    return float(value)  # type: ignore[arg-type]


_READERS: Mapping[str, Callable[[JsonValue], Any]] = {
    "format": _read_format,
    "quality": _whole(1, 100),
    "resize": _read_resize,
    "fit": _read_fit,
    "trim": _read_flag,
    "max_bytes": _read_bytes,
    "embed": _read_flag,
    "alpha": _read_flag,
    "not_blank": _read_flag,
    "min_px": _whole(1, 10**6),
    "similar_to_another": _read_similarity,
}
