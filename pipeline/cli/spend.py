"""``spend``: what was paid according to the ledgers, as a table or JSON lines."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from pipeline.cli.console.money import CuPrice, units_text
from pipeline.cli.console.printing import find_width, print_json, say
from pipeline.cli.console.text import one_line, printable
from pipeline.counting import plural
from pipeline.errors import (
    PRECEDENCE,
    ExitCode,
    InputError,
    PipelineError,
    RunError,
    UsageError,
)
from pipeline.manifest import Manifest, load_manifest
from pipeline.operations.spend import (
    Kind,
    Line,
    Spending,
    Spent,
    find_outputs,
    merged,
    read_spent,
)
from pipeline.output.folder import OUTPUT_ROOT, output_folder
from pipeline.units import units_number

WIDTH = 80
_GAP = "  "
_DECIMALS = (4, 2)  # of a unit, at most; two if four do not fit
_HEADINGS = ("jobs", "quoted", "reserved", "charged", "refunded", "net")
_CHARGED = _HEADINGS.index("charged")
_NARROWEST = 12  # of the key column

_Row = tuple[str, Sequence[str]]


def spend_command(
    places: tuple[Path, ...],
    *,
    output: Path | None,
    emulate: bool,
    profile: str,
    allow_outside: bool,
    cu_price: CuPrice | None,
    as_json: bool,
) -> ExitCode:
    """Sum up the ledgers; those that cannot be read are reported and skipped."""
    real: list[Spent] = []
    emulated: list[Spent] = []
    errors: list[PipelineError] = []
    left_out = 0
    folders = _find_places(
        places,
        errors,
        output=output,
        emulate=emulate,
        profile=profile,
        allow_outside=allow_outside,
    )
    for folder, is_named, of_manifest in folders:
        try:
            found = read_spent(folder, of_manifest, emulate=emulate)
        except (RunError, InputError) as error:
            errors.append(error)
            continue
        if not found.emulated:
            real.append(found)
        elif is_named:
            emulated.append(found)
        else:
            left_out += 1
    _tell(errors, left_out)
    if emulated:
        _show(emulated, cu_price, as_json=as_json, emulated=True)
    if real or (not emulated and (as_json or not errors)):
        if emulated and not as_json:
            say()
        _show(real, cu_price, as_json=as_json, emulated=False, unread=len(errors))
    codes = {error.exit_code for error in errors}
    usual = ExitCode.USAGE if codes else ExitCode.OK
    return next((code for code in PRECEDENCE if code in codes), usual)


class _Folder(NamedTuple):
    """An output folder.

    Attributes:
        path: As it is shown.
        is_named: Whether the user named it, or its manifest.
        manifest: The manifest that the user named, or None.
    """

    path: Path
    is_named: bool
    manifest: Manifest | None = None


def _find_places(
    places: Sequence[Path],
    errors: list[PipelineError],
    *,
    output: Path | None,
    emulate: bool,
    profile: str,
    allow_outside: bool,
) -> Iterable[_Folder]:
    """The output folders to add up, each once: of manifests first, then of folders.

    Args:
        places: Manifests and folders that the user named; may be empty.
        errors: Gets one error for each folder that cannot be listed.
        output: The output folder of the manifest, or None.
        emulate: Whether the manifests are emulated.
        profile: The profile of the manifests, or "".
        allow_outside: Whether their references may be outside of their folders.

    Raises:
        UsageError: An option has no manifest, or a folder contains nothing to sum up.
        ManifestError: A manifest has faults.
    """
    manifests = [place for place in places if not place.is_dir()]
    if (output or emulate or profile or allow_outside) and not manifests:
        raise UsageError(
            "--output, --emulate, --profile and --allow-outside belong to a manifest",
            hint="name an output folder itself: pipeline spend output/icons",
        )
    if output is not None and len(manifests) > 1:
        raise UsageError("--output is for one manifest, not for several")
    found_at: dict[Path, _Folder] = {}
    for manifest in manifests:
        loaded = load_manifest(manifest, allow_outside=allow_outside, profile=profile)
        folder = output_folder(loaded, output=output, emulate=emulate)
        found_at[folder.resolve()] = _Folder(folder, is_named=True, manifest=loaded)
    outputs = [place for place in places if place.is_dir()]
    if outputs or not manifests:
        for real_path, one in _folders(outputs, errors).items():
            found_at.setdefault(real_path, one)
    return found_at.values()


def _folders(
    outputs: Sequence[Path], errors: list[PipelineError]
) -> dict[Path, _Folder]:
    """Every output folder once, by its real path.

    Args:
        outputs: The folders that the user named.
        errors: Gets one error for each folder that cannot be listed.

    Raises:
        UsageError: A named folder contains nothing to sum up.
    """
    roots = outputs or ([OUTPUT_ROOT] if OUTPUT_ROOT.is_dir() else [])
    named = {root.resolve() for root in outputs}
    found: dict[Path, Path] = {}
    for root in roots:
        before = len(errors)
        below = find_outputs(root, on_unreadable=errors.append)
        if not below and outputs and len(errors) == before:
            raise UsageError(
                f"{root} is not an output folder and contains none",
                hint="name a folder with a ledger.sqlite3, such as output/icons",
            )
        for folder in below:
            found.setdefault(folder.resolve(), folder)
    return {real: _Folder(path, is_named=real in named) for real, path in found.items()}


def _tell(errors: Sequence[PipelineError], left_out: int) -> None:
    for error in errors:
        hint = f"; {error.hint}" if error.hint else ""
        say(printable(f"not counted: {error.message}{hint}"), err=True)
    if left_out:
        say(
            f"left out: {plural(left_out, 'emulated output folder')}, where nothing"
            " was paid; name one to see it",
            err=True,
        )


def _show(
    spent: Sequence[Spent],
    price: CuPrice | None,
    *,
    as_json: bool,
    emulated: bool,
    unread: int = 0,
) -> None:
    whole = merged(one.spending for one in spent)
    if as_json:
        for kind in (Kind.MONTH, Kind.MODEL, Kind.MANIFEST):
            for line in whole.lines(kind):
                _print_line(line, price, emulated=emulated)
        total = Line(kind=Kind.TOTAL, key="", units=whole.total)
        _print_line(total, price, emulated=emulated, ledgers=len(spent), unread=unread)
        return
    if emulated:
        say("EMULATED: none of this was really paid")
    if not whole.total.jobs:
        read = " in the folders that can be read" if unread else ""
        say(f"nothing has been spent{read}")
        return
    for text in table(whole, price, min(WIDTH, find_width() or WIDTH)):
        say(text)
    if whole.total.reserved:
        say("\nreserved: may have been charged; the cost is not known yet")


def _print_line(line: Line, price: CuPrice | None, **more: object) -> None:
    units = line.units
    fields: dict[str, object] = {
        "by": str(line.kind),
        "key": line.key,
        "jobs": units.jobs,
        "quoted": units_number(units.quoted),
        "reserved": units_number(units.reserved),
        "charged": units_number(units.charged),
        "addons": {
            name: units_number(taken) for name, taken in sorted(units.addons.items())
        },
        "refunded": units_number(units.refunded),
        "net": units_number(units.net),
    }
    if price is not None:
        fields["money"] = units_number(price.amount_of(units.net))
        fields["currency"] = price.currency
    print_json(event="spend", **fields, **more)


# --- the table ----------------------------------------------------------------


def table(spending: Spending, price: CuPrice | None, width: int = WIDTH) -> list[str]:
    """Months, models and manifests, then the total; no line is wider than ``width``.

    If there is a price, the money column is for the net units.
    """
    headings = list(_HEADINGS)
    if price is not None:
        headings.append(price.currency or "money")
    for decimals in _DECIMALS:
        sections = _sections(spending, price, decimals)
        rows = [row for _, group in sections for row in group]
        widths = [
            max(len(heading), *(len(cells[index]) for _, cells in rows))
            for index, heading in enumerate(headings)
        ]
        room = width - sum(widths) - len(_GAP) * len(widths)
        if room >= _NARROWEST:
            break
    else:
        return _listed(sections, headings, width)
    key_width = min(room, max(len(key) for key, _ in rows))
    lines: list[str] = []
    for title, group in sections:
        if not lines:
            lines += _cells((title, headings), key_width, widths)
        else:
            lines += ["", title] if title else [""]
        for row in group:
            lines += _cells(row, key_width, widths)
    return lines


def _sections(
    spending: Spending, price: CuPrice | None, decimals: int
) -> list[tuple[str, list[_Row]]]:
    """The rows under each title; the title of the total is ""."""
    sections = [
        (
            str(kind),
            [
                row
                for line in spending.lines(kind)
                for row in _rows(line, price, decimals)
            ],
        )
        for kind in (Kind.MONTH, Kind.MODEL, Kind.MANIFEST)
    ]
    total = Line(kind=Kind.TOTAL, key="total", units=spending.total)
    return [*sections, ("", [*_rows(total, price, decimals)])]


def _rows(line: Line, price: CuPrice | None, decimals: int) -> Iterator[_Row]:
    units = line.units
    numbers = (units.quoted, units.reserved, units.charged, units.refunded, units.net)
    cells = [f"{units.jobs:,}"]
    cells += [units_text(number, decimals=decimals) for number in numbers]
    if price is not None:
        cells.append(price.digits_of(units.net))
    yield one_line(line.key, WIDTH), cells
    for name, taken in sorted(units.addons.items()):
        if taken:
            blank = [""] * len(cells)
            blank[_CHARGED] = units_text(taken, decimals=decimals)
            yield f"  {one_line(name, WIDTH - 2)}", blank


def _cells(row: _Row, key_width: int, widths: Sequence[int]) -> Iterator[str]:
    key, cells = row
    if len(key) > key_width:  # print it on its own line, not shortened
        yield key
        key = ""
    numbers = (cell.rjust(width) for cell, width in zip(cells, widths, strict=False))
    yield _GAP.join((key.ljust(key_width), *numbers)).rstrip()


def _listed(
    sections: Sequence[tuple[str, Sequence[_Row]]],
    headings: Sequence[str],
    width: int,
) -> list[str]:
    """For numbers too long for columns: each with its name, wrapped."""
    lines: list[str] = []
    for title, group in sections:
        lines += ["", title] if lines and title else ([title] if title else [""])
        for key, cells in group:
            said = (
                f"{heading}\N{NO-BREAK SPACE}{cell}"
                for heading, cell in zip(headings, cells, strict=True)
                if cell
            )
            words = wrap(_GAP.join(said), width - 4, break_on_hyphens=False)
            lines += [
                key,
                *(f"    {text}".replace("\N{NO-BREAK SPACE}", " ") for text in words),
            ]
    return lines
