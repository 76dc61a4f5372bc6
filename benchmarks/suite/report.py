"""Reports in, Markdown and JSON out; what a report says of machine and moment. Pure.

But for :func:`find_machine` and :func:`find_moment`, which look.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from suite.figures import spread_of

PACKAGES = (
    "aiohttp",
    "anyio",
    "msgspec",
    "orjson",
    "pyyaml",
    "scenario-sdk",
    "uvloop",
)
BEGIN = "<!-- benchmarks: begin; filled by `python benchmarks/run.py --write` -->"
END = "<!-- benchmarks: end -->"


@dataclass(slots=True, kw_only=True)
class Report:
    """What one benchmark measured.

    Attributes:
        name: Of the benchmark.
        title: A line for the heading.
        setting: What was run, one sentence or two.
        peers: In the order of the columns; the first is what others are held against.
        units: By figure, in the order of the rows.
        samples: By figure and peer, one number for each round.
        limits: By figure, what the project asks of itself, in words.
        notes: What a reader must know, such as a tool that was missing.
        rounds: How many rounds.
        has_ratios: Whether the peers are to be held against each other.
        moment: When, and how busy the machine was; see :func:`find_moment`.
    """

    name: str
    title: str
    setting: str
    peers: list[str]
    units: dict[str, str] = field(default_factory=dict)
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rounds: int = 1
    has_ratios: bool = True
    moment: dict[str, str] = field(default_factory=dict)

    def add(self, figure: str, unit: str, peer: str, value: float) -> None:
        """Take one sample."""
        self.units.setdefault(figure, unit)
        self.samples.setdefault(figure, {}).setdefault(peer, []).append(value)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


def report_from(record: Mapping[str, object]) -> Report:
    """The inverse of ``asdict``, for results that were written earlier."""
    return Report(**record)  # type: ignore[arg-type]


def find_machine() -> dict[str, str]:
    """Processors, memory, system and versions; nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {
        "processors": str(os.cpu_count()),
        "processor": _processor_name(),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()


def find_moment() -> dict[str, str]:
    """The date, and the load that others put on the machine at this moment."""
    loads = " / ".join(f"{load:.1f}" for load in os.getloadavg())
    now = datetime.now(UTC)
    return {"date": now.strftime("%Y-%m-%d %H:%M UTC"), "load": loads}


def render_page(reports: Iterable[Report], machine: Mapping[str, str]) -> str:
    """The page of results: machine, then a table for each benchmark."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    lines = [
        "# Results",
        "",
        "Written by `python benchmarks/run.py --write`, not by hand. How to read",
        "and repeat it: [performance](../docs/performance.md).",
        "",
        f"Machine: {facts}.",
        "",
        "A cell is the median and, in brackets, the smallest and the largest round.",
        "`÷` is the first column divided by that peer's median.",
    ]
    for report in reports:
        lines += ["", *_render_section(report)]
    return "\n".join(lines) + "\n"


def _render_section(report: Report) -> list[str]:
    load = report.moment.get("load", "unknown")
    date = report.moment.get("date", "unknown")
    lines = [
        f"## {report.name}: {report.title}",
        "",
        f"{report.setting} Rounds: {report.rounds}; {date};",
        f"load average before it began (1, 5 and 15 minutes): {load}.",
        "",
        *render_table(report),
    ]
    if report.notes:
        lines += ["", *(f"- {text}" for text in report.notes)]
    return lines


def render_table(report: Report) -> list[str]:
    """One line for each figure, one column for each peer and each ratio."""
    first, *others = report.peers
    if not report.has_ratios:
        others = []
    heads = ["Figure", *report.peers, *(f"÷ {peer}" for peer in others)]
    if report.limits:
        heads.append("Wanted")
    lines = [_row(heads), _row(["---"] * len(heads))]
    for figure, unit in report.units.items():
        by_peer = report.samples[figure]
        cells = [f"{figure}, {unit}" if unit else figure]
        cells += [_cell(by_peer.get(peer, [])) for peer in report.peers]
        cells += [_ratio(by_peer.get(first), by_peer.get(peer)) for peer in others]
        if report.limits:
            cells.append(report.limits.get(figure, ""))
        lines.append(_row(cells))
    return lines


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(samples: list[float]) -> str:
    if not samples:
        return ""
    spread = spread_of(samples)
    if spread.low == spread.high:
        return show(spread.median)
    return f"{show(spread.median)} ({show(spread.low)}-{show(spread.high)})"


def _ratio(ours: list[float] | None, theirs: list[float] | None) -> str:
    if not ours or not theirs:
        return ""
    divisor = spread_of(theirs).median
    return show(spread_of(ours).median / divisor) if divisor else ""


def show(value: float) -> str:
    """Three digits that count, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}"


def fill_block(page: str, lines: Iterable[str]) -> str:
    """The page with new lines between the two markers.

    Raises:
        ValueError: A marker is missing.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no block for results")
    return f"{head}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{tail}"


def render_block(reports: Iterable[Report], machine: Mapping[str, str]) -> list[str]:
    """The short form for the documentation: every figure, and who was how far."""
    facts = f"{machine['processors']} processors ({machine['processor']})"
    lines = [f"Measured on {facts}, Python {machine['python']}. Medians; the spread is"]
    lines.append("in [results](../benchmarks/results.md).")
    for report in reports:
        date, load = report.moment.get("date", ""), report.moment.get("load", "")
        lines += [
            "",
            f"**{report.title}** ({report.rounds} rounds, {date}, load {load})",
            "",
            *render_table(_medians(report)),
        ]
    return lines


def _medians(report: Report) -> Report:
    samples = {
        figure: {peer: [spread_of(values).median] for peer, values in by_peer.items()}
        for figure, by_peer in report.samples.items()
    }
    return Report(**{**asdict(report), "samples": samples})
