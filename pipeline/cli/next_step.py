"""The command to type next: its verb, and what the user typed for this one.

Hints name a command as ``pipeline fetch``; a user needs the manifest and the options
too, quoted for the shell.
"""

import os
import re
import shlex
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from pipeline.cli.console.subject import current_manifest

# What is not repeated: consent, and what would pay again or only concerns the output.
_NOT_REPEATED = {
    "yes",
    "force",
    "as_json",
    "quiet",
    "debug",
    "log_file",
    "junit",
    "markdown",
    "base",
    "saved_plan",
    "frozen",
    "out",
    "detailed_exitcode",
    "long_form",
    "profiles",
    "prompts",
    "offline",
    "cu_price",
    "pictures",
}
_NAMED = re.compile(
    r"\bpipeline (?P<verb>fetch|gallery|plan|rerun|resolve|run|status|verify|why)"
    r"(?: --out (?P<out>FILE|DIR))?(?P<long> --long)?(?= lists|[;,.]|$)"
)
_AGAIN = re.compile(r"\b(run again|run the same command again)$")
_MANIFESTS = ("manifest", "manifests")  # the arguments that name some
_CARRYING_OUT = {"run", "rerun", "fetch"}
_OF_ITEMS = {"resolve", "why"}


def command_line(
    verb: str,
    *more: str,
    item_id: str = "",
    without: tuple[str, ...] = (),
) -> str:
    """A command with the manifest and the options of the current one.

    Args:
        verb: The command, such as ``fetch``; it gets the options that it takes.
        more: Further words, before the options.
        item_id: For commands that take an item.
        without: Options of the current command that are not repeated.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return f"pipeline {verb}"
    root = context.find_root()
    group = root.command
    command = group.get_command(root, verb) if isinstance(group, click.Group) else None
    words = ["pipeline", verb]
    options: list[str] = []
    for parameter in command.params if command is not None else ():
        name = parameter.name or ""
        if name == "item":
            words.append(item_id or "ITEM")
        elif isinstance(parameter, click.Argument):
            words += map(_typed, _arguments(context, name))
        elif name not in _NOT_REPEATED and name not in without:
            options += _repeated(context, parameter)
    return shlex.join([*words, *more, *options])


def current_verb() -> str:
    """The command that runs now, of those that carry out a manifest."""
    context = click.get_current_context(silent=True)
    name = context.info_name if context is not None else None
    return name if name in _CARRYING_OUT else "run"


def complete_hint(hint: str, item_id: str = "") -> str:
    """A hint with its commands in full, ready to be typed.

    Args:
        hint: May name commands as ``pipeline VERB``, or end with ``run again``.
        item_id: The item that it is about, or "".
    """
    context = click.get_current_context(silent=True)
    if context is None or context.params.keys().isdisjoint(_MANIFESTS):
        return hint
    text = _NAMED.sub(lambda named: _in_full(named, item_id), hint)
    if _AGAIN.search(text) and context.info_name in {*_CARRYING_OUT, "plan"}:
        text += f": {command_line(context.info_name)}"
    return text


def _in_full(named: re.Match[str], item_id: str) -> str:
    verb = named["verb"]
    if verb == "verify" or (verb in _OF_ITEMS and not item_id):
        return named[0]
    saved_plan = click.get_current_context().params.get("saved_plan")
    out = ["--out", _typed(saved_plan or named["out"])] if named["out"] else []
    more = [*out, "--long"] if named["long"] else out
    return " ".join([command_line(verb, item_id=item_id), *map(shlex.quote, more)])


def _repeated(context: click.Context, parameter: click.Parameter) -> Iterator[str]:
    """An option as it was typed; nothing if it was not."""
    name = parameter.name or ""
    if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return
    value = context.params[name]
    flag = next(flag for flag in parameter.opts if flag.startswith("--"))
    if isinstance(value, bool):
        yield from [flag] * value
    elif isinstance(value, tuple):
        for one in value:
            yield from (flag, _typed(one))
    elif value is not None:
        yield from (flag, _typed(value))


def _arguments(context: click.Context, name: str) -> list[Any]:
    """What was given for an argument; for a manifest, the one that is spoken of."""
    value = context.params.get(name)
    if name in _MANIFESTS:
        value = next(filter(None, map(context.params.get, _MANIFESTS)), None)
        if named := current_manifest():
            value = named
        elif name == "manifest" and isinstance(value, tuple):
            value = value[0] if len(value) == 1 else "MANIFEST"
    if value is None:
        return []
    return list(value) if isinstance(value, tuple) else [value]


def _typed(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    return f"./{text}" if text.startswith("-") else text
