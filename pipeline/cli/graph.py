"""``graph``: which item needs which → a Mermaid flowchart, or JSON lines."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.console.printing import print_json
from pipeline.cli.loading import load_opened
from pipeline.errors import ExitCode
from pipeline.operations.graph import Graph, read_graph
from pipeline.planning import Action

# Colours of the boxes: light enough for dark text, and not needed to read the chart.
_CLASSES = {
    Action.DONE: "done",
    Action.WAIT: "waiting",
    Action.SKIP: "blocked",
}
_STYLES = (
    "classDef done fill:#d8f0d8,stroke:#2f7d32,color:#111",
    "classDef waiting fill:#eee,stroke:#777,color:#111,stroke-dasharray:4",
    "classDef blocked fill:#f8d7d7,stroke:#b3261e,color:#111",
    "classDef todo fill:#fdf1cf,stroke:#8a6d00,color:#111",
)


def graph_command(
    manifest: Path,
    *,
    emulate: bool,
    as_json: bool,
    **place: Any,
) -> ExitCode:
    """Print which item needs which."""
    loaded, store = load_opened(manifest, emulate=emulate, **place)
    graph = read_graph(loaded, store, emulate=emulate)
    if as_json:
        _print_events(graph)
        return ExitCode.OK
    for line in _mermaid(graph):
        click.echo(line)
    return ExitCode.OK


def _print_events(graph: Graph) -> None:
    for planned in graph.items:
        print_json(
            event="node",
            item_id=planned.item.item_id,
            model=planned.item.model_id,
            action=str(planned.action),
            reason=planned.reason,
            line=planned.item.line,
        )
    for edge in graph.edges:
        print_json(
            event="edge",
            parent=edge.parent,
            output=edge.output,
            child=edge.child,
            input=edge.input,
        )
    print_json(event="graph", nodes=len(graph.items), edges=len(graph.edges))


def _mermaid(graph: Graph) -> list[str]:
    # Ids of items may hold characters that Mermaid gives a meaning, so nodes have
    # numbers and the ids are labels.
    numbers = {one.item.item_id: f"n{at}" for at, one in enumerate(graph.items)}
    lines = ["flowchart LR"]
    for planned in graph.items:
        name = numbers[planned.item.item_id]
        kind = "blocked" if planned.blocked else _CLASSES.get(planned.action, "todo")
        lines.append(f'  {name}["{planned.item.item_id}"]:::{kind}')
    for edge in graph.edges:
        label = f"|{edge.output}|" if edge.output > 1 else ""
        lines.append(f"  {numbers[edge.parent]} -->{label} {numbers[edge.child]}")
    return [*lines, *(f"  {style}" for style in _STYLES)]
