"""Faults of what a person wrote are told before credentials are missed."""

import pytest
from doubles.shell import TREES

SPENDING = ("run", "rerun", "fetch")
NO_CREDENTIALS = "no credentials"
WITH_A_SLIP = f"{TREES}sead: 3\n"
SLIP = "trees.yaml:9:1: unknown key 'sead'"


@pytest.mark.parametrize("command", [*SPENDING, "plan", "doctor", "validate", "status"])
async def test_a_manifest_that_is_not_there(shell, command):
    done = await shell.run(command, "tree.yaml")

    assert done.code == 2
    said = done.out + done.err
    fault = said.index("the manifest cannot be read: no such file")
    assert NO_CREDENTIALS not in said[:fault]


@pytest.mark.parametrize("command", [*SPENDING, "plan", "doctor", "validate"])
@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("matrix:", "matrx:", "trees.yaml:8:5: unknown key 'matrx'"),
        ("size: 1K", "siez: 1K", "trees.yaml:4:10: unknown input 'siez'"),
        ("wan-2-7-image", "wan-2-7-imgae", "trees.yaml:3:8: unknown model"),
    ],
)
async def test_a_slip_of_the_fingers(shell, command, right, wrong, says):
    shell.write(TREES.replace(right, wrong))

    done = await shell.run(command, "trees.yaml")

    assert done.code == 2
    said = done.out + done.err
    assert NO_CREDENTIALS not in said[: said.index(says)]


@pytest.mark.parametrize("command", SPENDING)
async def test_what_is_wrong_besides_is_told_after_the_faults(shell, command):
    shell.write(WITH_A_SLIP)

    done = await shell.run(command, "trees.yaml")

    fault, *_, error, hint = done.err.splitlines()
    assert fault.startswith(SLIP)
    assert error.startswith("error: no credentials")
    assert hint.startswith("  next: ")


@pytest.mark.parametrize("command", ["run", "plan"])
async def test_an_address_that_cannot_be_used_hides_no_fault(shell, command):
    shell.environment |= {
        "SCENARIO_SDK_API_KEY": "k",
        "SCENARIO_SDK_API_SECRET": "s",
        "SCENARIO_BASE_URL": "ftp://nowhere",
    }
    shell.write(WITH_A_SLIP)

    done = await shell.run(command, "trees.yaml")

    assert done.code == 2
    assert done.err.startswith(SLIP)


async def test_a_selection_of_nothing(shell):
    shell.write(TREES)

    done = await shell.run("run", "trees.yaml", "--select", "oka")

    assert done.code == 2
    assert "--select matches none of the 4 items" in done.err


@pytest.mark.parametrize("decision", [(), ("--resubmit",), ("--adopt", "job_1")])
async def test_an_item_that_was_never_submitted(shell, decision):
    shell.write(TREES)

    done = await shell.run("resolve", "trees.yaml", "oka", *decision)

    assert done.code == 2
    assert "nothing has ever been submitted for item 'oka'" in done.err


async def test_an_amount_that_is_none(shell):
    done = await shell.run("doctor", "--contract", "--spend", "many")

    assert done.code == 2
    assert done.out == ""
    assert "--spend 'many' is not an amount" in done.err


@pytest.mark.parametrize("command", SPENDING)
async def test_a_sound_manifest_misses_the_credentials(shell, command):
    shell.write(TREES)

    done = await shell.run(command, "trees.yaml")

    assert done.code == 6
    assert done.err.startswith("error: no credentials")
    assert not shell.output.exists()
