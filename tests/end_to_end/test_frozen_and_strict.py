"""``--frozen`` pays for nothing, ``--strict`` stops at what the service dropped.

The emulator's counters are the judge: what they charged is what was paid.
"""

from doubles.priced_batch import STYLED, draw_style, paid
from doubles.shell import sidecars_in


async def test_frozen_run_pays_for_nothing(real, emulator):
    refused = await real.run("run", "trees.yaml", "--frozen")
    await real.run("run", "trees.yaml", "--yes")
    (real.output / "oak.png").unlink()
    done = await real.run("run", "trees.yaml", "--frozen", "--json")

    assert refused.code == 8
    assert "4 of the items would be paid for" in refused.err
    assert (done.code, done.events[-1]["counts"]) == (0, {"saved": 1, "done": 3})
    assert paid(emulator) == (4, 24)


async def test_input_that_the_service_dropped_is_said_and_strict_stops(
    shell, start_emulator
):
    emulator = await start_emulator(
        ceiling=1, echo_omits=("images",), job_seconds=(0.3, 0.3)
    )
    shell.use(emulator)
    more = ", ".join(f"t{number}" for number in range(4))
    shell.write(
        f"{STYLED}  - {{id: '${{n}}', prompt: 'a ${{n}}', matrix: {{n: [{more}]}}}}\n"
    )
    draw_style(shell.folder, "teal")
    strict = await shell.run("run", "trees.yaml", "--yes", "--strict", "--json")
    after_strict = paid(emulator)
    lenient = await shell.run("run", "trees.yaml", "--yes")

    assert strict.code == 3
    assert "dropped images" in strict.of("halt")[0]["reason"]
    assert 1 <= after_strict[0] < 6
    assert lenient.code == 0
    assert paid(emulator)[0] == 6
    assert "inputs: the service dropped images" in lenient.err + strict.err
    echoes = [sidecar["echo"] for sidecar in sidecars_in(shell.output).values()]
    assert echoes == [{"images": None}] * 6
