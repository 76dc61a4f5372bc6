"""How the manifest parser, which keeps positions, compares with the bare C loader."""

import json

from suite.bench import OURS, Bench
from suite.report import Report

NAME = "yaml"
BARE_LOADER, NO_COLLECTOR = "bare C loader", "bare, collector off"
ITEM = """\
  - id: item-{n}
    prompt: a small house on a hill, number {n}, bold outline
    tags: [house, hill, n{n}]
    params: {{size: 1K, seed: {n}, numOutputs: 1}}
"""


def run(bench: Bench) -> Report:
    items = bench.choose(20_000, 2_000, 50)
    rounds = max(bench.rounds, 3) if bench.size == "full" else bench.rounds
    folder = bench.new_folder("yaml")
    text = "version: 1\nitems:\n" + "".join(ITEM.format(n=n) for n in range(items))
    (folder / "large.yaml").write_text(text, "utf-8")
    report = Report(
        name=NAME,
        title="parsing of YAML",
        setting=(
            f"{items:,} items written out, {len(text) / 1e6:.1f} MB; processor time of"
            " text to nodes that know their line and column, against plain values of"
            " PyYAML's C loader."
        ),
        peers=[OURS, BARE_LOADER, NO_COLLECTOR],
        rounds=rounds,
        limits={"CPU": f"÷ {BARE_LOADER} ≤ 1.5"},
    )
    usage = bench.child("yaml_parse.py", "large.yaml", rounds, folder=folder)
    for peer, samples in json.loads(usage.output).items():
        for value in samples:
            report.add("CPU", "s", peer, value)
    return report
