"""What ``--json`` really prints, held against the reference: no field is undocumented."""

import re
from pathlib import Path

from doubles.shell import TREES

import pipeline

PAGE = Path(pipeline.__file__).parents[1] / "docs" / "reference" / "json-events.md"
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
DOCUMENTED = {
    event: {
        word
        for cell in re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
        for word in re.findall(r"`([^`]+)`", cell)
    }
    for event, text in SECTION.findall(PAGE.read_text("utf-8"))
}
OF_SEVERAL = {"manifest"}  # described for all events together, at the top of the page
MIXED = """\
version: 1
name: trees
model: model_wan-2-7-image
max_cost: 500
params: {size: 1K}
checks: {alpha: true}
items:
  - {id: oak, prompt: an oak}
  - {id: elm, prompt: "an elm [partial]", params: {numOutputs: 2}}
  - {id: ash, prompt: "an ash [fail]"}
"""
LINE = """\
version: 1
name: line
model: model_wan-2-7-image
items:
  - {id: oak, prompt: "an oak [fail]"}
  - {id: elm, prompt: an elm, params: {images: ['item:oak']}}
"""


LINES = """\
version: 1
name: lines
model: model_wan-2-7-image
profiles: {draft: {takes: 1}}
items:
  - {id: hero, prompt: "a hero [fail]"}
  - {id: pose, prompt: a pose, params: {images: ["item:hero"]}}
"""


def fields_of(event: dict[str, object]) -> set[str]:
    """The keys of an event but for its name; those of ``cost`` with a dot."""
    found = set(event) - {"event", "cost"}
    cost = event.get("cost", {})
    assert isinstance(cost, dict)
    return found | {f"cost.{name}" for name in cost}


async def test_every_event_and_every_field_that_is_printed_is_documented(
    real, start_emulator
):
    done = []

    async def type_in(*arguments: str) -> None:
        done.append(await real.run(*arguments, "--json"))

    real.write("version: 1\nitems: nothing\n", "broken.yaml")
    await type_in("validate", "broken.yaml")
    manifest = str(real.write(MIXED))
    await type_in("validate", manifest)
    await type_in("plan", manifest)
    await type_in("run", manifest, "--yes", "--fail-fast")
    await type_in("status", manifest)
    await type_in("check", manifest)
    await type_in("why", manifest, "ash")
    await type_in("why", manifest, "oak")
    await type_in("verify", str(real.output))
    await type_in("spend", "--cu-price", "0.012EUR")
    await type_in("schema")
    await type_in("schema", "model_wan-2-7-image")
    await type_in("models", "wan")
    real.write(MIXED.replace("  - {id: oak, prompt: an oak}\n", ""))
    await type_in("plan", manifest)
    await type_in("prune", manifest, "--yes")
    takes = str(real.write(TREES.replace("name: trees", "name: takes"), "takes.yaml"))
    await type_in("run", takes, "--yes")
    await type_in("redo", takes, "oak", "--yes")
    await type_in("approve", takes, "oak")
    await type_in("why", takes, "oak")
    await type_in("check", takes, "--approved")
    await type_in("gallery", takes)
    await type_in("fetch", takes, "--report")
    lines = str(real.write(LINES, "lines.yaml"))
    await type_in("graph", lines)
    await type_in("plan", lines, "--profiles")
    await type_in("run", lines, "--yes")
    pair = str(real.write(TREES.replace("name: trees", "name: pair"), "pair.yaml"))
    await type_in("run", takes, pair, "--yes")
    await type_in("merge", "output/pair", "--output", "output/merged")
    # A pause that is longer than is waited for: it is told of, and nobody waits.
    real.use(await start_emulator(cooldown_s=60.0, cooldown_after=1))
    manifest = str(real.write(TREES.replace("name: trees", "name: pausing")))
    await type_in("run", manifest, "--yes", "--max-pause", "1s")

    events = [event for one in done for event in one.events]
    assert {event["event"] for event in events} == DOCUMENTED.keys()
    undocumented = {
        (event["event"], field)
        for event in events
        for field in fields_of(event) - DOCUMENTED[event["event"]] - OF_SEVERAL
    }
    assert undocumented == set()
