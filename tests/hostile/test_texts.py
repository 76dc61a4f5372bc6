"""Texts of the service that would steer a terminal reach none, on no command."""

import asyncio
import os
import sys
import unicodedata

import pytest
from doubles.shell import LIMIT_S, Shell, manifest_of

from pipeline.emulator import Emulator, EmulatorProfile, outcomes
from pipeline.emulator.web import fault_answers

# A title, a colour, a C1 control, a bell, a line that overwrites, text that runs
# backwards, an invisible joiner, a line separator.
HOSTILE = (
    "no\x1b]0;pwned\x07\x1b[31m\x9b2J\r\b\u202egnp.exe\u2066\u200b\u2028end\nx: ok"
)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")


def steering(text: str) -> set[str]:
    """Characters in it that a terminal obeys."""
    return {
        char
        for char in text
        if char not in "\n\t"
        and unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}
    }


@pytest.fixture
async def hostile(shell, monkeypatch):
    """A service whose every text is hostile."""
    monkeypatch.setattr(outcomes, "FAILED_TEXT", HOSTILE)
    monkeypatch.setattr(outcomes, "FAILED_HINT", HOSTILE)
    monkeypatch.setattr(outcomes, "MODERATED_TEXT", f"moderated {HOSTILE}")
    for status in fault_answers.TEXTS:
        monkeypatch.setitem(fault_answers.TEXTS, status, HOSTILE)
    html = fault_answers.html_answer

    def hostile_page(status):
        page = html(status)
        page.text = f"<html><body>{HOSTILE}</body></html>"
        return page

    monkeypatch.setattr(fault_answers, "html_answer", hostile_page)
    shell.write(manifest_of("an oak", "an elm [fail]", "an ash [moderate]"))
    profile = EmulatorProfile.of(
        seed=7,
        fixed_size_px=16,
        job_seconds=(0.05, 0.1),
        failed_status="failure",
        required_plan=HOSTILE,
    )
    async with Emulator(profile=profile) as emulator:
        shell.use(emulator)
        yield emulator


def test_the_search_finds_what_steers():
    assert steering("plain, ascii: é → ■ \t\n") == set()
    assert len(steering(HOSTILE)) >= 8


async def test_reasons_of_failures_are_shown_and_steer_nothing(shell, hostile):
    said = {}
    for command in (
        ("run", "trees.yaml", "--yes"),
        ("run", "trees.yaml", "--yes", "--json"),
        ("status", "trees.yaml"),
        ("status", "trees.yaml", "--json"),
        ("plan", "trees.yaml"),
        ("plan", "trees.yaml", "--json"),
    ):
        done = await shell.run(*command)
        said[command] = done.out + done.err

    assert {name: steering(text) for name, text in said.items() if steering(text)} == {}
    assert all("pwned" in text for text in said.values())  # it was there to be shown
    assert "\\x1b" in said["run", "trees.yaml", "--yes"]


@pytest.mark.parametrize(
    "fault",
    [
        "submit-403",
        "submit-402",
        "account-401",
        "submit-502-html-after",
        "submit-504-after",
    ],
)
async def test_reasons_to_stop_are_shown_and_steer_nothing(fault, shell, hostile):
    hostile.faults.next(fault)
    done = await shell.run("run", "trees.yaml", "--yes", "--settle", "1")

    assert "pwned" in done.err
    assert steering(done.out + done.err) == set()


async def test_what_debug_logs_of_an_answer_steers_nothing(shell, hostile):
    hostile.faults.next("submit-502-html-after")
    done = await shell.run(
        "run",
        "trees.yaml",
        "--yes",
        "--debug",
        "--log-file",
        "all.log",
        "--settle",
        "1",
    )
    log = (shell.folder / "all.log").read_text(encoding="utf-8")

    assert "pwned" in done.err
    assert "pwned" in log
    assert steering(done.out + done.err) == set()
    assert steering(log) == set()


@POSIX
async def test_a_live_screen_shows_it_and_is_not_steered(shell: Shell, hostile):
    import pty

    master, slave = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "pipeline", "run", "trees.yaml", "--yes"),
            cwd=shell.folder,
            env={**shell.environment, "TERM": "xterm", "COLUMNS": "200"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=slave,
        )
        os.close(slave)
        shown = await asyncio.wait_for(asyncio.to_thread(read_all, master), LIMIT_S)
        code = await asyncio.wait_for(process.wait(), LIMIT_S)
    finally:
        os.close(master)

    text = shown.decode()
    assert code == 3
    assert "pwned" in text
    assert "\x1b]0;pwned" not in text
    assert not {"\x9b", "\x07", "\b", "\u202e", "\u2066", "\u200b", "\u2028"} & set(
        text
    )


def read_all(descriptor: int) -> bytes:
    """Everything until the other side has closed."""
    pieces = []
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # so Linux says that nobody writes any more
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)
