"""The GitHub action: its inputs, from the environment → the command that they mean.

``action.yml`` starts this with ``python -I -m pipeline.cli.action``. It is no script of
a shell, which would obey what is written in ``args``.
"""

import hashlib
import os
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.errors import PipelineError, UsageError

_YES = {"true", "yes", "1", "on"}
_NO = {"", "false", "no", "0", "off"}


class _Words(shlex.shlex):
    """Words as a shell reads them: ``#`` begins a comment where a word could begin."""

    state: str | None  # a space between words

    def __init__(self, text: str) -> None:
        super().__init__(text, posix=True)
        self.whitespace_split = True

    @property
    def commenters(self) -> str:
        return "#" if self.state == " " else ""

    @commenters.setter
    def commenters(self, value: str) -> None:
        """The state decides alone."""


def split_words(text: str) -> list[str]:
    """The words of ``args``, as a shell splits them; nothing is expanded or executed.

    Raises:
        UsageError: A quotation is not closed.
    """
    try:
        return list(_Words(re.sub(r"\\\r?\n", "", text)))
    except ValueError as error:
        raise UsageError(
            f"args: {str(error).lower()}", hint="close it, or put a \\ before it"
        ) from error


def command_words(inputs: Mapping[str, str]) -> list[str]:
    """The words of the command line after ``pipeline``.

    Args:
        inputs: The action's inputs by name.

    Raises:
        UsageError: An input cannot be read.
    """
    words = ["run", "--yes"]
    for name in ("output", "max-cost", "deadline", "junit"):
        if inputs.get(name):
            words += [f"--{name}={inputs[name]}"]
    if _is_set(inputs, "frozen"):
        words.append("--frozen")
    if inputs.get("json"):
        words.append("--json")
    return [*words, *split_words(inputs.get("args", "")), "--", inputs["manifest"]]


def _is_set(inputs: Mapping[str, str], name: str) -> bool:
    value = inputs.get(name, "").strip().lower()
    if value in _YES | _NO:
        return value in _YES
    raise UsageError(f"{name}: {value!r} is neither true nor false")


def read_inputs(environment: Mapping[str, str]) -> dict[str, str]:
    """The action's inputs by name: ``INPUT_MAX_COST`` is ``max-cost``."""
    return {
        name.removeprefix("INPUT_").lower().replace("_", "-"): value
        for name, value in environment.items()
        if name.startswith("INPUT_")
    }


def find_cache(environment: Mapping[str, str]) -> dict[str, str]:
    """What ``actions/cache`` is told: the output folder, and a key of its own.

    Returns:
        Nothing if the folder is not known; then the run says what is wrong.
    """
    import click

    from pipeline.cli.commands import run
    from pipeline.cli.loading import load

    with suppress(click.ClickException, PipelineError):
        words = command_words(read_inputs(environment))
        options = run.make_context("run", words[1:]).params
        if len(options["manifests"]) > 1:  # each has a folder of its own
            return {}
        named = ("output", "emulate", "allow_outside", "profile")
        _, folder = load(
            options["manifests"][0], **{name: options[name] for name in named}
        )
        checkout = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())
        path = Path(os.path.relpath(folder, checkout)).as_posix()
        digest = hashlib.sha256(path.encode()).hexdigest()[:16]
        return {"path": path, "key": f"scenario-pipeline-{digest}"}
    return {}


def main() -> None:
    """``cache`` tells GitHub what to keep; ``run`` carries the manifest out."""
    from pipeline.cli.ci.github import find_github
    from pipeline.cli.main import main as run_program
    from pipeline.cli.main import show_error

    if sys.argv[1:] == ["cache"]:
        github = find_github(os.environ)
        if github is not None:
            github.set_outputs(find_cache(os.environ))
        return
    inputs = read_inputs(os.environ)
    try:
        words = command_words(inputs)
    except UsageError as error:
        show_error(error)
        sys.exit(int(error.exit_code))
    if inputs.get("json"):
        _redirect_stdout(Path(inputs["json"]))
    run_program(words)


def _redirect_stdout(path: Path) -> None:
    """Let what is written to stdout go to a file, as ``>`` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    main()
