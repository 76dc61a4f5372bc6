"""The commands as a person types them: what they print, send and leave behind."""

import pytest
from doubles.shell import TREES, manifest_of, sidecars_in

# --- plan


async def test_plan_says_what_a_run_would_do_and_touches_nothing(real, emulator):
    done = await real.run("plan", "trees.yaml")

    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["+", "oak:", "new", "6"],
        ["+", "elm:", "new", "6"],
        ["+", "ash:", "new", "6"],
        ["+", "yew:", "new", "6"],
        [],
        ["the", "team", "has", "1,000,000", "units", "left"],
        ["4", "items:", "4", "to", "submit;", "4", "files", "for", "24", "units"],
    ]
    counters = emulator.counters()
    assert set(counters["requests"]) == {"model", "account", "quote"}
    assert (counters["submits_received"], counters["charged_cu"]) == (0, 0)
    assert not real.output.exists()


async def test_plan_offline_sends_nothing_and_knows_no_price(real, emulator):
    done = await real.run("plan", "trees.yaml", "--offline")

    assert done.code == 0
    assert done.out.splitlines() == [
        "+ oak: new",
        "+ elm: new",
        "+ ash: new",
        "+ yew: new",
        "4 items: 4 to submit; price not known",
    ]
    assert emulator.counters()["requests"] == {}
    assert not real.output.exists()


async def test_plan_as_json_has_a_line_an_item_and_ends_with_the_counts(real):
    done = await real.run("plan", "trees.yaml", "--json", "--select", "[oe]*")

    *items, last = done.events
    assert [(line["item_id"], line["action"]) for line in items] == [
        ("oak", "submit"),
        ("elm", "submit"),
    ]
    assert last["event"] == "plan"
    assert last["counts"]["submit"] == 2


# --- run


async def test_run_saves_every_item_and_the_second_run_submits_nothing(real, emulator):
    first = await real.run("run", "trees.yaml", "--yes")
    second = await real.run("run", "trees.yaml", "--yes")

    assert (first.code, first.out) == (0, "")
    assert "4 items: 0 done, 4 to submit" in first.err
    assert "4 saved" in first.err
    assert set(sidecars_in(real.output)) == {"oak.png", "elm.png", "ash.png", "yew.png"}
    assert (second.code, second.out) == (0, "")
    assert "4 items: 4 done, 0 to submit" in second.err
    counters = emulator.counters()
    assert counters["submits_received"] == counters["jobs_made"] == 4


async def test_run_as_json_launches_first_is_done_last_and_tells_each_change(real):
    done = await real.run("run", "trees.yaml", "--yes", "--json")

    events = done.events
    assert events[0]["event"] == "launch"
    assert events[0]["total"] == events[0]["to_submit"] == 4
    assert events[-1] == {
        "event": "done",
        "exit_code": 0,
        "counts": {"saved": 4},
        "needs_review": 0,
        "cost": {
            "quoted": 24,
            "charged": 24,
            "addons": {},
            "refunded": 0,
            "reserved": 0,
            "taken": 24,
            "left": None,
            "team_left": 1_000_000,
        },
    }
    for item_id in ("oak", "elm", "ash", "yew"):
        changes = [line for line in done.of("job") if line["item_id"] == item_id]
        assert [line["status"] for line in changes] == [
            "submitting",
            "submitted",
            "succeeded",
            "saved",
        ]
        assert changes[-1]["files"] == [f"{item_id}.png"]
        assert changes[1]["charged"] == 6.0
        assert changes[0]["job_id"] is None
        assert len({line["job_id"] for line in changes[1:]}) == 1


async def test_launch_is_said_once_state_is_durable(real, start_emulator):
    real.use(await start_emulator(job_seconds=(60.0, 60.0)))
    async with real.start("run", "trees.yaml", "--yes", "--json") as running:
        await running.until('"launch"')
        assert (real.output / "ledger.sqlite3").is_file()
        await running.until('"submitted"')
        status = await real.run("status", "trees.yaml", "--json")

    counts = status.events[-1]["counts"]
    assert counts["in_flight"] + counts["unknown"] >= 1


async def test_quiet_run_says_nothing(real):
    done = await real.run("run", "trees.yaml", "--yes", "--quiet")

    assert (done.code, done.out, done.err) == (0, "", "")


async def test_select_and_limit_bound_what_is_submitted(real, emulator):
    limited = await real.run("run", "trees.yaml", "--yes", "--limit", "1", "--json")
    selected = await real.run(
        "run", "trees.yaml", "--yes", "--select", "y*", "--select", "ash", "--json"
    )

    assert limited.events[-1]["counts"] == {"saved": 1}
    assert selected.events[-1]["counts"] == {"saved": 2}
    assert set(sidecars_in(real.output)) == {"oak.png", "ash.png", "yew.png"}
    assert emulator.counters()["jobs_made"] == 3


async def test_select_that_matches_nothing_is_refused(real, emulator):
    done = await real.run("run", "trees.yaml", "--yes", "--select", "fir")

    assert done.code == 2
    assert "matches none of the 4 items" in done.err
    assert emulator.counters()["submits_received"] == 0


async def test_force_makes_the_selected_items_again_and_needs_a_selection(
    real, emulator
):
    await real.run("run", "trees.yaml", "--yes")
    refused = await real.run("run", "trees.yaml", "--yes", "--force")
    forced = await real.run(
        "run", "trees.yaml", "--yes", "--force", "--select", "oak", "--json"
    )

    assert refused.code == 2
    assert "--force needs --select" in refused.err
    assert forced.events[-1]["counts"] == {"saved": 1}
    assert sidecars_in(real.output)["oak.png"]["attempts"] == 2
    assert emulator.counters()["jobs_made"] == 5


@pytest.mark.parametrize("amount", ["many", "-1", "nan", "inf", ""])
async def test_budget_that_is_no_amount_is_refused_before_anything_is_sent(
    amount, real, emulator
):
    done = await real.run("run", "trees.yaml", "--yes", f"--max-cost={amount}")

    assert done.code == 2
    assert "--max-cost" in done.err
    assert emulator.counters()["requests"] == {}


async def test_rerun_submits_only_what_failed(real, emulator):
    real.write(manifest_of("an oak", "an elm [fail-once]", "an ash"))
    first = await real.run("run", "trees.yaml", "--yes", "--json")
    again = await real.run("rerun", "trees.yaml", "--yes", "--json")

    assert first.code == first.events[-1]["exit_code"] == 3
    assert first.events[-1]["counts"] == {"saved": 2, "failed": 1}
    failure = next(line for line in first.of("job") if line["status"] == "failed")
    assert failure["item_id"] == "b"
    assert "could not generate" in failure["reason"]
    assert again.events[0]["total"] == again.events[0]["to_submit"] == 1
    assert (again.code, again.events[-1]["counts"]) == (0, {"saved": 1})
    assert emulator.counters()["jobs_made"] == 4


async def test_status_tells_counts_and_reasons_without_asking_the_service(
    real, emulator
):
    real.write(manifest_of("an oak", "an elm [fail]"))
    before = await real.run("status", "trees.yaml")
    await real.run("run", "trees.yaml", "--yes")
    asked = emulator.counters()["requests"]
    text = await real.run("status", "trees.yaml")
    lines = await real.run("status", "trees.yaml", "--json")

    assert "nothing has been submitted yet" in before.out
    assert (text.code, text.err) == (0, "")
    assert "1  saved" in text.out
    assert "1  failed" in text.out
    assert "x b (trees.yaml:" in text.out
    assert "The provider could not generate the image" in text.out
    assert (
        lines.events[-1]["counts"] | {"saved": 1, "failed": 1}
        == (lines.events[-1]["counts"])
    )
    assert lines.of("item")[0]["item_id"] == "b"
    assert emulator.counters()["requests"] == asked


# --- the emulator inside


async def test_emulated_run_says_so_everywhere_and_needs_no_credentials(shell):
    shell.write(manifest_of("an oak", params="{size: 1280*720}"))
    done = await shell.run("run", "trees.yaml", "--emulate")
    status = await shell.run("status", "trees.yaml", "--emulate")

    emulated = shell.folder / "output" / "trees.emulated"
    assert done.code == 0
    assert "EMULATED: nothing is real, nothing is spent" in done.err
    assert not shell.output.exists()
    (sidecar,) = sidecars_in(emulated).values()
    assert sidecar["emulated"] is True
    assert "trees.emulated" in status.out


async def test_sidecars_of_an_emulator_in_another_process_say_so(real, emulator):
    done = await real.run("run", "trees.yaml", "--yes", "--limit", "1")
    (sidecar,) = sidecars_in(real.output).values()
    real.write(TREES.replace("oak, elm, ash, yew", "fir").replace("a ${name}", "a oak"))
    moved = await real.run("run", "trees.yaml", "--yes")
    spent = await real.run("spend", "trees.yaml", "--json")
    everything = await real.run("spend")

    assert "EMULATED" not in done.err
    assert sidecar["emulated"] is True
    assert sidecar["base_url"] == emulator.base_url
    assert (moved.code, emulator.counters()["jobs_made"]) == (0, 1)
    assert sidecars_in(real.output)["fir.png"]["emulated"] is True
    assert (spent.events[-1]["emulated"], spent.events[-1]["net"]) == (True, 6)
    assert "left out: 1 emulated output folder" in everything.err
