"""Draw the terminals that the documentation shows: docs/screens/*.svg.

Types real commands into a real terminal (tmux) of a given size, against the emulator,
and saves what is on the screen as SVG. Nothing is paid, and no key is needed:

    python .ci/screens.py              every screen
    python .ci/screens.py plan run     these screens

Needs tmux, and `pipeline` installed beside the Python that runs this.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
SCREENS = ROOT / "docs" / "screens"
PORT = 8797
LIMIT_S = 120.0  # for a screen to appear
FOREST = """\
version: 1
name: forest
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
max_cost: 300
items:
  - id: hero
    prompt: a fox ranger in a green cloak, full body
  - id: witch
    prompt: a witch at her cauldron [fail]
  - id: banner
    prompt: a banner with a skull [moderate]
  - id: trees/${name}-${season}
    prompt: a ${name} in ${season}, flat game art
    matrix:
      name: [oak, elm, yew, fir]
      season: [spring, summer, autumn, winter]
  - id: poses/${pose}
    prompt: the fox ranger of image 1, ${pose}
    params: {images: ["item:hero"]}
    matrix: {pose: [running, aiming, resting]}
    steps:
      - {name: cutout, model: model_birefnet-background-removal, input: image}
"""
CHANGED = ("a fox ranger in a green cloak", "a fox ranger in a red cloak")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A terminal to draw.

    Attributes:
        typed: The command, as the picture shows it.
        before: Shell commands that prepare it, not shown.
        until: A regular expression; the screen is drawn once it is found there.
        columns: Of the terminal.
        rows: The same.
        changes: Whether the manifest is edited before the command.
    """

    typed: str
    until: str
    before: str = ":"
    columns: int = 80
    rows: int = 24
    changes: bool = False


_AT_END = r"\n\$ *(?:\n|$)"  # the shell waits for the next command
_QUIETLY = ">/dev/null 2>&1"
_MADE = f"{{ pipeline run forest.yaml --emulate {_QUIETLY} || [ $? = 3 ]; }}"
SCREENS_BY_NAME: Mapping[str, Screen] = {
    "plan": Screen(
        before=f"{_MADE}; pipeline approve forest.yaml poses/aiming --emulate"
        f" {_QUIETLY}",
        typed="pipeline plan forest.yaml --emulate --cu-price 0.012EUR"
        " -s hero -s 'poses/*'",
        until=_AT_END,
        rows=40,
        changes=True,
    ),
    "run": Screen(
        typed="pipeline run forest.yaml --yes --cu-price 0.012EUR --rpm 95",
        until=r"submits pause",
        rows=18,
    ),
    "end": Screen(
        typed="pipeline run forest.yaml --emulate",
        until=r"next: (?s:.*)\n\$",
        rows=20,
    ),
    "narrow": Screen(
        typed="pipeline run forest.yaml --emulate",
        until=r"line of hero(?s:.*)witch",
        columns=40,
        rows=24,
    ),
    "pictures": Screen(
        before=_MADE,
        typed="pipeline show output/forest.emulated/hero.png --pictures",
        until=r"version: 1(?s:.*)\n\$",
        rows=24,
    ),
}


def main() -> None:
    """Draw the screens that are named on the command line, or all of them."""
    SCREENS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SCREENS_BY_NAME:
        screen = SCREENS_BY_NAME[name]
        with tempfile.TemporaryDirectory() as folder, _emulator():
            shown = _capture(screen, Path(folder))
        path = SCREENS / f"{name}.svg"
        path.write_text(_svg(name, screen, shown), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


@contextmanager
def _emulator() -> Iterator[None]:
    """A service with slow jobs and a pause after some submits."""
    options = ("--ceiling", "6", "--cooldown", "14/45", "--job-seconds", "3-6")
    with subprocess.Popen(
        [_pipeline(), "emulator", "--port", str(PORT), "--seed", "7", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it listens
            yield
        finally:
            process.terminate()


def _capture(screen: Screen, folder: Path) -> str:
    """What the terminal shows, with the control sequences of its colours."""
    manifest = folder / "forest.yaml"
    manifest.write_text(FOREST, encoding="utf-8")
    environment = _environment(folder)
    subprocess.run(
        ["bash", "-ec", screen.before], cwd=folder, env=environment, check=True
    )
    if screen.changes:
        manifest.write_text(FOREST.replace(*CHANGED), encoding="utf-8")
    tmux = ["tmux", "-L", f"screens-{os.getpid()}", "-f", os.devnull]
    size = ["-x", str(screen.columns), "-y", str(screen.rows)]
    shell = ["bash", "--norc", "--noprofile"]
    subprocess.run(
        [*tmux, "new-session", "-d", *size, "-c", str(folder), *shell],
        env=environment,
        check=True,
    )
    try:
        _wait(tmux, re.compile(r"^\$"))
        for keys in (["-l", screen.typed], ["Enter"]):
            subprocess.run([*tmux, "send-keys", *keys], check=True)
        # The command is there at once; what is wanted is below it.
        return _wait(tmux, re.compile(rf"\n(?s:.*)(?:{screen.until})"))
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def _wait(tmux: list[str], wanted: re.Pattern[str]) -> str:
    deadline_s = time.monotonic() + LIMIT_S
    shown = ""
    while time.monotonic() < deadline_s:
        time.sleep(0.2)
        shown = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if wanted.search(Text.from_ansi(shown).plain):
            return shown
    raise SystemExit(f"{wanted.pattern!r} was not shown in time:\n{shown}")


def _svg(name: str, screen: Screen, shown: str) -> str:
    console = Console(
        record=True,
        width=screen.columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    text = Text.from_ansi(shown.rstrip("\n"))
    console.print(text, no_wrap=True, overflow="ignore")
    title = f"{screen.columns} columns"
    svg = console.export_svg(title=title, unique_id=f"screen-{name}")
    # The fonts of the reader's machine: a picture fetches nothing.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(_pipeline()).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "PS1": "$ ",
        "SCENARIO_BASE_URL": f"http://127.0.0.1:{PORT}/v1",
        "SCENARIO_SDK_API_KEY": "any",
        "SCENARIO_SDK_API_SECRET": "any",
    }


def _pipeline() -> str:
    """The command that is installed beside this Python."""
    beside = Path(sys.executable).parent / "pipeline"
    found = str(beside) if beside.exists() else shutil.which("pipeline")
    if found is None:
        raise SystemExit("pipeline is not installed: pip install -e .")
    return found


if __name__ == "__main__":
    main()
