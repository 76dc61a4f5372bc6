"""The price before the spend: named exactly, agreed to, kept, and never overstepped.

The emulator's counters are the judge: what they charged is what was paid.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from end_to_end.conftest import LIMIT_S, TREES, Shell, manifest_of, sidecars_in
from PIL import Image

MODEL = "model_wan-2-7-image"
CHEAP = {"unit_prices_cu": {MODEL: 3}}
# 31 items, 33 outputs: 99 units at 3 each.
BATCH = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
items:
  - id: set-${n}
    prompt: a set of ${n}
    params: {numOutputs: 2}
    matrix: {n: [cups, coins]}
  - id: tree-${kind}-${time}
    prompt: a ${kind} tree at ${time}
    matrix:
      kind: [oak, elm, ash, yew, fir, lime, pine, palm, plum, pear]
      time: [dawn, dusk]
  - id: prop-${letter}
    prompt: prop ${letter}
    matrix: {letter: [a, b, c, d, e, f, g, h, i]}
"""
STYLED = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false, images: ref:style}
references: {style: style.png}
items:
  - {id: oak, prompt: an oak}
  - {id: elm, prompt: an elm}
"""


@pytest.fixture
async def cheap(start_emulator):
    return await start_emulator(**CHEAP)


@pytest.fixture
def batch(shell, cheap):
    """31 items at a service that asks 3 units an output."""
    shell.use(cheap)
    shell.write(BATCH)
    return shell


def paid(emulator) -> tuple[int, float]:
    """Jobs the service has made, and units it has charged for them."""
    counters = emulator.counters()
    assert counters["dry_runs_in_body"] == 0
    return counters["jobs_made"], counters["charged_cu"]


def draw_style(folder: Path, colour: str) -> None:
    Image.new("RGB", (48, 24), colour).save(folder / "style.png")


# --- plan


async def test_plan_names_the_exact_total_with_few_quotes_and_pays_nothing(
    batch, cheap
):
    done = await batch.run("plan", "trees.yaml")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "31 items: 31 to submit; 33 files for 99 units"
    assert 1 <= cheap.counters()["quotes_received"] <= 4
    assert cheap.counters()["submits_received"] == 0
    assert paid(cheap) == (0, 0)


async def test_plan_as_json_tells_each_price_and_the_total(batch, cheap):
    done = await batch.run("plan", "trees.yaml", "--json", "--max-cost", "31")

    *items, last = done.events
    prices = {line["item_id"]: line["price"] for line in items}
    assert len(items) == 31
    assert {line["sign"] for line in items} == {"+"}
    assert (prices["set-cups"], prices["prop-a"]) == (6, 3)
    assert sum(prices.values()) == 99
    assert last["counts"]["submit"] == 31
    assert (last["unpriced"], last["problems"], last["orphans"]) == (0, [], 0)
    assert last["cost"] == {
        "quoted": 99,
        "addons": {},
        "files": 33,
        "taken": 0,
        "left": 31,
        "team_left": 1_000_000,
        "by_model": {MODEL: {"items": 31, "units": 99}},
    }
    assert paid(cheap) == (0, 0)


async def test_add_ons_are_in_the_total_and_named_apart(shell, start_emulator):
    shell.use(await start_emulator(quality_gate_cu=1.25))
    shell.write(TREES)
    plan = await shell.run("plan", "trees.yaml")
    run = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert "4 files for 29 units" in plan.out
    assert "of these units, 5 are for quality-gate" in plan.out
    assert run.events[-1]["cost"]["charged"] == 29
    assert run.events[-1]["cost"]["addons"] == {"quality-gate": 5}


async def test_money_stands_beside_units_when_their_price_is_given(batch):
    named = await batch.run("plan", "trees.yaml", "--cu-price", "0.012EUR")
    by_variable = await batch.run("plan", "trees.yaml", PIPELINE_CU_PRICE="$0.5")
    wrong = await batch.run("plan", "trees.yaml", "--cu-price", "cheap")

    assert "33 files for 99 units (1.19 EUR)" in named.out
    assert "33 files for 99 units ($49.50)" in by_variable.out
    assert wrong.code == 2


async def test_detailed_exitcode_tells_whether_there_is_something_to_do(real):
    before = await real.run("plan", "trees.yaml", "--detailed-exitcode")
    await real.run("run", "trees.yaml", "--yes")
    after = await real.run("plan", "trees.yaml", "--detailed-exitcode")
    next(real.output.glob("oak.png")).unlink()
    missing = await real.run("plan", "trees.yaml", "--detailed-exitcode")

    assert (before.code, after.code, missing.code) == (10, 0, 10)


async def test_plan_without_credentials_says_why_it_has_no_prices(shell):
    shell.write(TREES)
    done = await shell.run("plan", "trees.yaml")

    assert done.code == 0
    assert "no prices: " in done.err
    assert done.out.splitlines()[-1] == "4 items: 4 to submit; price not known"


async def test_item_that_has_no_price_is_said_and_counted_apart(shell, start_emulator):
    shell.use(await start_emulator(large_with_images_refused=False))
    draw_style(shell.folder, "teal")
    shell.write(
        STYLED + "  - {id: ash, prompt: ash, params: {images: asset_nobodys}}\n"
    )
    done = await shell.run("plan", "trees.yaml")

    assert done.code == 0
    assert "no price: trees.yaml:9: no price for 'ash'" in done.out
    assert done.out.splitlines()[-1].endswith("12 units and 1 item without a price")


# --- who agrees


async def test_run_that_nobody_agreed_to_spends_nothing(batch, cheap):
    refused = await batch.run("run", "trees.yaml")
    rerun = await batch.run("rerun", "trees.yaml")
    agreed = await batch.run("run", "trees.yaml", "--yes")
    nothing_left = await batch.run("run", "trees.yaml")

    assert refused.code == 2
    assert "99 units" in refused.err
    assert "add --yes" in refused.err
    assert "Traceback" not in refused.err
    assert rerun.code == 0  # nothing has failed, so nothing would be paid
    assert agreed.code == 0, agreed.err
    assert nothing_left.code == 0
    assert paid(cheap) == (31, 99)


async def test_emulated_run_asks_nothing(shell):
    shell.write(TREES)
    done = await shell.run("run", "trees.yaml", "--emulate", "--json")

    assert done.code == 0
    assert done.events[-1]["cost"]["charged"] == 24
    assert not list(shell.folder.glob("*.lock"))


class Terminal:
    """A command at a terminal: what it shows, and keys to press."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process = process
        self._master = master
        self._shown = bytearray()
        self._grown = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    async def until(self, text: str) -> None:
        async with asyncio.timeout(LIMIT_S):
            while text not in self.shown:
                self._grown.clear()
                await self._grown.wait()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    async def end(self) -> int:
        async with asyncio.timeout(LIMIT_S):
            return await self._process.wait()

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):  # Linux says so once the other end is closed
            data = os.read(self._master, 65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self._shown += data
        self._grown.set()


@asynccontextmanager
async def terminal(shell: Shell, *arguments: str) -> AsyncIterator[Terminal]:
    """A command whose stdin and stderr are a terminal of 80 columns."""
    import pty

    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipeline", *arguments),
        cwd=shell.folder,
        env={**shell.environment, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        stdin=slave,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    screen = Terminal(process, master)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")


@POSIX
async def test_on_a_terminal_no_leaves_with_nothing_paid(real, emulator):
    async with terminal(real, "run", "trees.yaml") as screen:
        await screen.until("[y/N]")
        screen.press("n\n")
        code = await screen.end()

    assert code == 130
    assert "+ oak: new" in screen.shown
    assert "4 items: 4 to submit; 4 files for 24 units" in screen.shown
    assert "Spend 24 units" in screen.shown
    assert emulator.counters()["submits_received"] == 0


@POSIX
async def test_on_a_terminal_yes_goes_on_and_is_asked_once(real, emulator):
    async with terminal(real, "run", "trees.yaml") as screen:
        await screen.until("[y/N]")
        screen.press("y\n")
        code = await screen.end()

    assert code == 0, screen.shown
    assert screen.shown.count("[y/N]") == 1
    assert "24 charged" in screen.shown
    assert paid(emulator) == (4, 24)


@POSIX
async def test_interrupt_at_the_question_is_a_no(real, emulator):
    async with terminal(real, "run", "trees.yaml") as screen:
        await screen.until("[y/N]")
        screen.interrupt()
        code = await screen.end()

    assert code == 130
    assert "Traceback" not in screen.shown
    assert emulator.counters()["submits_received"] == 0


@POSIX
async def test_on_a_terminal_nothing_is_asked_that_was_answered_or_costs_nothing(
    real, emulator
):
    async with terminal(real, "run", "trees.yaml", "--yes") as screen:
        first = await screen.end()
    async with terminal(real, "run", "trees.yaml") as again:
        second = await again.end()

    assert (first, second) == (0, 0)
    assert "[y/N]" not in screen.shown + again.shown
    assert paid(emulator) == (4, 24)


# --- the budget


async def test_budget_is_kept_and_the_next_run_brings_the_exact_total(batch, cheap):
    first = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "31", "--json")
    after_first = paid(cheap)
    again = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "31")
    after_again = paid(cheap)
    rest = await batch.run("run", "trees.yaml", "--yes", "--json")

    assert first.code == 4
    assert 28 < after_first[1] <= 31
    cost = first.events[-1]["cost"]
    assert cost["charged"] == cost["taken"] == after_first[1]
    assert cost["left"] == 31 - after_first[1]
    assert first.events[-1]["counts"]["not_submitted"] == 31 - after_first[0]
    assert (again.code, after_again) == (4, after_first)
    assert rest.code == 0, rest.err
    assert rest.events[-1]["cost"]["charged"] == 99 - after_first[1]
    assert paid(cheap) == (31, 99)
    assert len(sidecars_in(batch.output)) == 33


async def test_budget_of_the_manifest_holds_and_the_smaller_counts(batch, cheap):
    batch.write(BATCH.replace("version: 1", "version: 1\nmax_cost: 10"))
    by_manifest = await batch.run("run", "trees.yaml", "--yes")
    of_manifest = paid(cheap)[1]
    larger = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "50")
    of_larger = paid(cheap)[1]
    batch.write(BATCH.replace("version: 1", "version: 1\nmax_cost: 50"))
    smaller = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "20")

    assert (by_manifest.code, larger.code, smaller.code) == (4, 4, 4)
    assert of_manifest == of_larger == 9
    assert 9 < paid(cheap)[1] <= 20


@pytest.mark.parametrize(
    "point", ["intent-recorded", "answer-received", "job-recorded", "end-recorded"]
)
@pytest.mark.parametrize("time", [1, 2])
async def test_budget_is_kept_over_a_kill(point, time, real, emulator):
    run = ("run", "trees.yaml", "--yes", "--max-cost", "12", "--settle", "1", "--json")
    killed = await real.run(*run, PIPELINE_FAULT_POINT=f"{point}:{time}")
    after_kill = paid(emulator)[1]
    again = await real.run(*run)

    assert killed.code not in {0, 4}
    assert after_kill <= 12
    assert again.code == 4, again.err
    assert again.events[-1]["cost"]["taken"] == 12
    assert paid(emulator) == (2, 12)


async def test_what_is_unsure_is_not_paid_for_unasked(real, emulator):
    """Killed before its submit left, it may have to be paid for after all."""
    only = ("run", "trees.yaml", "--limit", "1", "--settle", "1")
    await real.run(*only, "--yes", PIPELINE_FAULT_POINT="intent-recorded")

    planned = await real.run("plan", "trees.yaml")
    refused = await real.run(*only)

    assert "what is unsure may cost 6 units more" in planned.out
    assert refused.code == 2
    assert "up to 6 units more for what is unsure" in refused.err
    assert paid(emulator) == (0, 0)


async def test_submit_whose_outcome_is_unknown_stays_reserved(real, emulator):
    emulator.faults.next("submit-drop-after")
    draw = emulator.faults.draw

    def break_list(endpoint):
        if endpoint == "submit":  # from here on, so that it is not settled
            emulator.faults.rates["list-500"] = 1.0
        return draw(endpoint)

    emulator.faults.draw = break_list
    budget = ("--yes", "--json", "--max-cost", "6", "--settle", "1")
    async with real.start("run", "trees.yaml", *budget) as running:
        await running.until('"unknown"')
        planned = await real.run("plan", "trees.yaml", "--max-cost", "6")
        running.signal(signal.SIGINT)
        await running.until("stopping", err=True)
        running.signal(signal.SIGINT)
        first = await running.end()
    emulator.faults.draw = draw
    emulator.faults.clear()
    second = await real.run("run", "trees.yaml", *budget)

    assert "budget: 6 of 6 units taken, 0 left" in planned.out
    assert first.code == 4  # which wins over what is left in flight
    in_doubt = first.events[-1]["cost"]
    assert (in_doubt["charged"], in_doubt["reserved"], in_doubt["left"]) == (0, 6, 0)
    assert second.code == 4
    assert second.events[-1]["cost"]["taken"] == 6
    assert paid(emulator) == (1, 6)


async def test_run_that_an_error_ends_still_says_what_was_charged(real, emulator):
    emulator.faults.rates["bulk-401"] = 1.0
    done = await real.run("run", "trees.yaml", "--yes", "--json")

    assert done.code == 6
    assert done.events[-1]["cost"] == {"quoted": None, "charged": 24}
    assert paid(emulator) == (4, 24)


async def test_what_is_refunded_may_be_spent_again(shell, start_emulator):
    emulator = await start_emulator(ceiling=1)
    shell.use(emulator)
    shell.write(manifest_of("an oak [fail]", "an elm", "an ash"))
    first = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "12", "--json")
    shell.write(manifest_of("an oak", "an elm", "an ash"))
    second = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "12", "--json")
    third = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "18", "--json")

    taken = [done.events[-1]["cost"]["taken"] for done in (first, second, third)]
    assert first.events[-1]["cost"]["refunded"] == 6
    assert taken == [12, 12, 18]
    assert (first.code, second.code, third.code) == (3, 4, 0)
    counters = emulator.counters()
    assert counters["charged_cu"] - counters["refunded_cu"] == 18


async def test_nothing_is_refunded_where_the_service_says_so(shell, start_emulator):
    emulator = await start_emulator(ceiling=1, disable_refund=True)
    shell.use(emulator)
    shell.write(manifest_of("an oak [fail]", "an elm", "an ash"))
    done = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "12", "--json")

    assert done.code == 4
    assert done.events[-1]["cost"]["refunded"] == 0
    assert done.events[-1]["cost"]["taken"] == 12
    assert paid(emulator) == (2, 12)


async def test_charge_above_its_quote_stops_the_submitting(shell, start_emulator):
    emulator = await start_emulator(ceiling=1, charge_factor=2.0)
    shell.use(emulator)
    shell.write(TREES)
    done = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert done.code == 4
    assert "charged 12 units, quoted 6" in done.of("halt")[0]["reason"]
    assert done.events[-1]["counts"] == {"saved": 1, "not_submitted": 3}
    assert paid(emulator) == (1, 12)


async def test_credit_that_ends_halfway_stops_with_everything_paid_saved(
    shell, start_emulator
):
    emulator = await start_emulator(credits_cu=13.0)
    shell.use(emulator)
    shell.write(TREES)
    planned = await shell.run("plan", "trees.yaml")
    done = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert "the team has 13 units left: not enough for everything" in planned.out
    assert done.code == 4
    assert done.events[-1]["counts"] == {"saved": 2, "not_submitted": 2}
    assert done.events[-1]["cost"]["charged"] == 12
    assert len(sidecars_in(shell.output)) == 2


# --- a saved plan


async def test_saved_plan_is_carried_out_exactly(real, emulator):
    planned = await real.run("plan", "trees.yaml", "--limit", "2", "--out", "plan.json")
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes", "--json")
    again = await real.run(
        "run", "trees.yaml", "--plan", "plan.json", "--yes", "--json"
    )

    assert planned.code == 0
    assert (done.code, done.events[-1]["counts"]) == (0, {"saved": 2})
    assert set(sidecars_in(real.output)) == {"oak.png", "elm.png"}
    assert again.code in {0, 8}
    assert paid(emulator) == (2, 12)


async def test_plan_that_was_cut_short_goes_on_with_the_same_file(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes", "--max-cost=12")
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 0, done.err
    assert paid(emulator) == (4, 24)


async def test_edited_manifest_no_longer_fits_the_plan(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    real.write(TREES.replace("a ${name}", "an old ${name}"))
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 8
    assert "trees.yaml was edited" in done.err
    assert "pipeline plan --out" in done.err
    assert emulator.counters()["submits_received"] == 0


async def test_changed_reference_no_longer_fits_the_plan(shell, emulator):
    shell.use(emulator)
    shell.write(STYLED)
    draw_style(shell.folder, "teal")
    await shell.run("plan", "trees.yaml", "--out", "plan.json")
    draw_style(shell.folder, "crimson")
    done = await shell.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 8
    assert "the request of oak has changed" in done.err
    assert emulator.counters()["submits_received"] == 0


async def test_changed_price_no_longer_fits_the_plan(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    before = emulator.service.profile
    emulator.service.profile = type(before)(
        **{**vars_of(before), "unit_prices_cu": {MODEL: 7}}
    )
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 8
    assert "the price of oak was 6 and is now 7" in done.err
    assert emulator.counters()["submits_received"] == 0


def vars_of(profile) -> dict[str, object]:
    return {name: getattr(profile, name) for name in type(profile).__slots__}


async def test_plan_is_saved_over_a_plan_and_over_nothing_else(real):
    before = (real.folder / "trees.yaml").read_bytes()
    refused = await real.run("plan", "trees.yaml", "--out", "trees.yaml")
    first = await real.run("plan", "trees.yaml", "--out", "plan.json")
    second = await real.run("plan", "trees.yaml", "--limit", "1", "--out", "plan.json")

    assert (refused.code, first.code, second.code) == (2, 0, 0)
    assert "no saved plan" in refused.err
    assert (real.folder / "trees.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"schema": "scenario-pipeline/plan/9"}', "\xff"]
)
async def test_file_that_is_no_saved_plan_is_refused(content, real, emulator):
    (real.folder / "plan.json").write_text(content, encoding="latin-1")
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 2
    assert "plan.json" in done.err
    assert "Traceback" not in done.err
    assert emulator.counters()["requests"] == {}


async def test_saved_plan_names_its_own_items(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    done = await real.run(
        "run", "trees.yaml", "--plan", "plan.json", "--yes", "--limit", "1"
    )

    assert done.code == 2
    assert emulator.counters()["submits_received"] == 0


async def test_saved_plan_holds_no_prompt_and_no_secret(real):
    await real.run("plan", "trees.yaml", "--out", "plan.json")

    text = (real.folder / "plan.json").read_text(encoding="utf-8")

    assert json.loads(text)["cost"] == "24"
    for word in ("a oak", "canary", real.environment["SCENARIO_SDK_API_SECRET"]):
        assert word not in text


# --- frozen, strict


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


# --- what is no change


async def test_order_comments_form_and_defaults_cost_nothing(batch, cheap):
    await batch.run("run", "trees.yaml", "--yes")
    head, _, items = BATCH.partition("items:\n")
    entries = items.split("  - ")[1:]
    reordered = "".join(f"  - {entry}" for entry in reversed(entries))
    batch.write(
        "# the trees of the forest\n"
        + head.replace("{size: 1K, thinkingMode: false}", "\n  thinkingMode: False\n")
        + "  size: '1K'  # small\n  numOutputs: 1\n\nitems:\n"
        + reordered
    )
    planned = await batch.run("plan", "trees.yaml", "--detailed-exitcode")
    done = await batch.run("run", "trees.yaml")

    assert planned.code == 0, planned.out
    assert done.code == 0, done.err
    assert paid(cheap) == (31, 99)


# --- the lock file


async def test_fresh_checkout_fetches_what_is_locked_and_pays_only_for_what_is_new(
    real, emulator
):
    await real.run("run", "trees.yaml", "--yes")
    lock = (real.folder / "trees.yaml.lock").read_bytes()
    before = {name: car["sha256"] for name, car in sidecars_in(real.output).items()}
    shutil.rmtree(real.folder / "output")
    planned = await real.run("plan", "trees.yaml", "--json")
    fetched = await real.run("fetch", "trees.yaml", "--json")
    after = {name: car["sha256"] for name, car in sidecars_in(real.output).items()}
    paid_then = paid(emulator)
    same_lock = (real.folder / "trees.yaml.lock").read_bytes() == lock
    real.write(TREES.replace("yew]", "yew, fir]"))
    shutil.rmtree(real.folder / "output")
    run = await real.run("run", "trees.yaml", "--yes", "--json")

    assert planned.events[-1]["counts"]["submit"] == 0
    assert planned.events[-1]["counts"]["fetch"] == 4
    assert (fetched.code, fetched.events[-1]["counts"]) == (0, {"saved": 4})
    assert after == before
    assert (paid_then, same_lock) == ((4, 24), True)
    assert (run.code, run.events[-1]["cost"]["charged"]) == (0, 6)
    assert paid(emulator) == (5, 30)
    assert b"fir" in (real.folder / "trees.yaml.lock").read_bytes()


async def test_budget_counts_what_the_lock_file_knows(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    shutil.rmtree(real.folder / "output")
    real.write(TREES.replace("yew]", "yew, fir]"))
    done = await real.run("run", "trees.yaml", "--yes", "--max-cost", "29")

    assert done.code == 4
    assert paid(emulator) == (4, 24)


async def test_frozen_checkout_with_its_lock_is_complete(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    shutil.rmtree(real.folder / "output")
    done = await real.run("run", "trees.yaml", "--frozen")

    assert done.code == 0, done.err
    assert len(sidecars_in(real.output)) == 4
    assert paid(emulator) == (4, 24)


async def test_lock_file_in_conflict_is_refused_and_left_as_it_is(real, emulator):
    await real.run("run", "trees.yaml", "--yes")
    lock = real.folder / "trees.yaml.lock"
    broken = "<<<<<<< ours\n" + lock.read_text("utf-8") + "=======\n>>>>>>> theirs\n"
    lock.write_text(broken, encoding="utf-8")
    done = await real.run("run", "trees.yaml", "--yes")

    assert done.code == 2
    assert "trees.yaml.lock:1" in done.err
    assert "conflict" in done.err
    assert lock.read_text("utf-8") == broken
    assert paid(emulator) == (4, 24)


# --- the service's own table


async def test_table_of_the_service_counts_and_its_drift_is_said(shell, start_emulator):
    drifted = {"size": {"allowedValues": ["1K", "8K"]}}
    shell.use(await start_emulator(input_changes=drifted))
    shell.write(TREES.replace("size: 1K", "size: 8K"))
    taken = await shell.run("plan", "trees.yaml")
    shell.write(TREES.replace("size: 1K", "size: 2K"))
    refused = await shell.run("plan", "trees.yaml")

    assert taken.code == 0, taken.err
    assert "the service's table differs from the one shipped" in taken.err
    assert "'size' also takes 8K" in taken.err
    assert refused.code == 2
    assert "trees.yaml:4:16" in refused.err


async def test_table_is_read_once_kept_and_used_when_offline(real, emulator):
    cached = {"PIPELINE_CACHE_DIR": str(real.folder / "cache")}
    first = await real.run("plan", "trees.yaml", **cached)
    second = await real.run("plan", "trees.yaml", **cached)
    asked = dict(emulator.counters()["requests"])
    offline = await real.run("plan", "trees.yaml", "--offline", **cached)
    nothing_kept = await real.run(
        "plan",
        "trees.yaml",
        "--offline",
        PIPELINE_CACHE_DIR=str(real.folder / "elsewhere"),
    )

    assert (first.err, second.err) == ("", "")
    assert asked["model"] == 1
    assert emulator.counters()["requests"] == asked
    assert offline.code == nothing_kept.code == 0
    assert "used the table shipped with this version" not in offline.err
    assert "used the table shipped with this version" in nothing_kept.err


@pytest.mark.parametrize("command", ["run --yes", "plan"])
async def test_quote_that_turns_out_a_job_stops_and_the_job_is_not_lost(
    real, emulator, monkeypatch, command
):
    """A service that takes a dry run for a submit: money is spent, and said so."""
    service = emulator.service
    submit = service.submit

    def careless(model_id, body, author_id, *, is_quote=False):
        return submit(model_id, body, author_id)

    monkeypatch.setattr(service, "submit", careless)
    alarmed = await real.run(*command.split(), "trees.yaml", "--json")
    monkeypatch.undo()
    made = paid(emulator)[0]
    after = await real.run("run", "trees.yaml", "--yes", "--json")

    assert alarmed.code == 4
    assert "money may have been spent" in alarmed.err
    assert made == 1
    assert after.code == 0, after.err
    sidecars = sidecars_in(real.output)
    assert len(sidecars) == 4
    for sidecar in sidecars.values():
        assert sidecar["seed"] == sidecar["request"]["seed"]
    assert paid(emulator)[0] == 4
