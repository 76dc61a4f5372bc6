"""Reports in, the files that hold results out: JSON, a page, a block of the docs."""

import json
from dataclasses import asdict
from pathlib import Path

from suite.report import (
    Report,
    fill_block,
    find_machine,
    render_block,
    render_page,
    report_from,
)

BENCHMARKS = Path(__file__).parent.parent
RESULTS = BENCHMARKS / "results.json"
PAGE = BENCHMARKS / "results.md"
DOCUMENT = BENCHMARKS.parent / "docs" / "performance.md"


def write(report: Report) -> None:
    """Take up one report; those of other benchmarks stay as they are."""
    machine = find_machine()
    known: dict[str, dict[str, object]] = {}
    if RESULTS.exists():
        known = json.loads(RESULTS.read_text("utf-8"))["benchmarks"]
    known[report.name] = asdict(report)
    reports = [report_from(record) for record in known.values()]
    text = json.dumps({"machine": machine, "benchmarks": known}, indent=1)
    RESULTS.write_text(text + "\n", "utf-8")
    PAGE.write_text(render_page(reports, machine), "utf-8")
    filled = fill_block(DOCUMENT.read_text("utf-8"), render_block(reports, machine))
    DOCUMENT.write_text(filled, "utf-8")
