"""``validate``: every fault with its place, and no request but for the table."""

BROKEN = """\
version: 1
name: trees
model: model_wan-2-7-image
items:
  - id: oak
    promt: an oak
  - id: elm
    prompt: an elm
    params: {size: 3K}
  - id: ash
    prompt: an ash
    params: {images: [ref:nothing]}
"""


async def test_validate_says_every_fault_with_its_place_and_reads_only_the_table(
    real, emulator
):
    real.write(BROKEN)
    done = await real.run("validate", "trees.yaml")

    lines = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    places = [line.split(": ")[0] for line in lines]
    assert "trees.yaml:6:5" in places
    assert "trees.yaml:9:20" in places
    assert "trees.yaml:12:23" in places
    assert "did you mean 'prompt'" in done.err
    assert "Traceback" not in done.err
    assert emulator.counters()["requests"] == {"model": 1}


async def test_validate_offline_finds_the_same_faults_and_sends_nothing(real, emulator):
    real.write(BROKEN)
    online = await real.run("validate", "trees.yaml")
    asked = emulator.counters()["requests"]
    offline = await real.run(
        "validate", "trees.yaml", "--offline", PIPELINE_CACHE_DIR="empty"
    )

    assert (offline.code, offline.out) == (2, "")
    assert offline.err == online.err
    assert emulator.counters()["requests"] == asked


async def test_validate_as_json_gives_the_same_faults_on_stdout(real):
    real.write(BROKEN)
    done = await real.run("validate", "trees.yaml", "--json")

    faults = done.of("fault")
    assert (done.code, done.err) == (2, "")
    assert {(fault["line"], fault["column"]) for fault in faults} >= {
        (6, 5),
        (9, 20),
        (12, 23),
    }
    assert done.events[-1] == {"event": "done", "exit_code": 2}


async def test_validate_of_a_good_manifest_counts_its_items(real):
    done = await real.run("validate", "trees.yaml")

    assert (done.code, done.out) == (0, "trees.yaml: 4 items, no faults\n")


async def test_run_of_a_broken_manifest_sends_nothing(real, emulator):
    real.write(BROKEN)
    done = await real.run("run", "trees.yaml", "--yes")

    assert done.code == 2
    assert "trees.yaml:6:5: " in done.err
    assert emulator.counters()["requests"] == {"model": 1}
    assert not real.output.exists()


async def test_manifest_that_is_not_there_is_a_usage_error(real):
    done = await real.run("run", "nothing.yaml")

    assert done.code == 2
    assert "nothing.yaml" in done.err
    assert "Traceback" not in done.err
