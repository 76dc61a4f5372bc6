"""What a first manifest says → its text, with comments that teach. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from pipeline.manifest.quoting import quoted
from pipeline.record import Struct

DEFAULT_MODEL = "model_wan-2-7-image"
DEFAULT_LOOK = "game icon, bold outline, plain background"
DEFAULT_PROMPTS = ("a gold coin", "an iron key", "a bottle of red potion")
SCHEMA_NAME = "manifest.schema.json"

_WIDTH = 88
# Texts that YAML reads as they are, in a block and within brackets.
_PLAIN = re.compile(r"(?:[^\W\d_]|\$\{)(?:[\w ,.;()/${}+*?!&'-]|:(?=\S))*")
_PLAIN_IN_BRACKETS = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_DOLLAR = re.compile(r"\$(?=[${])")


class Entry(Struct, frozen=True, kw_only=True):
    """One entry under ``items``.

    Attributes:
        item_id: As it is written; may hold variables.
        prompt: The same.
        comments: Lines above it, without ``#``.
        params: Inputs, as YAML.
        keys: Further keys, as YAML.
        notes: Lines below its inputs, without ``#``.
    """

    item_id: str
    prompt: str
    comments: tuple[str, ...] = ()
    params: Mapping[str, str] = {}
    keys: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


class Draft(Struct, frozen=True, kw_only=True):
    """What a first manifest says.

    Attributes:
        about: What it is made from, in a sentence.
        model: The id of the model.
        params: Inputs for every item, as YAML.
        references: Name → path or mapping, as YAML.
        look: The value of ``${look}``; "" for none.
        entries: At least one.
        lesson: Lines at the end, without ``#``; may be empty.
        notes: What was not used, and why; sentences for the user.
    """

    about: str
    model: str
    params: Mapping[str, str]
    entries: Sequence[Entry]
    references: Mapping[str, str] = {}
    look: str = ""
    lesson: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


MATRIX_LESSON = (
    "One item for each combination, here six trees:",
    "",
    "- id: tree-${biome}-${time}",
    "  prompt: a ${biome} tree at ${time}",
    "  matrix:",
    "    biome: [forest, desert, tundra]",
    "    time: [dawn, dusk]",
)


def render_draft(draft: Draft, *, file: str) -> str:
    """The text of the manifest.

    Args:
        draft: What it says.
        file: The manifest's path as the user types it, quoted for the shell.
    """
    return "\n".join(line.rstrip() for line in _lines(draft, file)) + "\n"


def scalar(text: str) -> str:
    """A text as YAML reads it back, alone on a line."""
    is_plain = (
        _PLAIN.fullmatch(text) and text == text.strip() and text.lower() not in _WORDS
    )
    return text if is_plain else quoted(text)


def scalar_in_brackets(text: str) -> str:
    """A text as YAML reads it back, within ``[ ]`` or ``{ }``."""
    is_plain = _PLAIN_IN_BRACKETS.fullmatch(text) and text.lower() not in _WORDS
    return text if is_plain else quoted(text)


def literal(text: str) -> str:
    """A text that has no variables: what looks like one stays as it is."""
    return _DOLLAR.sub("$$", text)


def _lines(draft: Draft, file: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={SCHEMA_NAME}"
    yield from _comment(draft.about)
    yield "#"
    yield f"#   pipeline plan {file} --emulate    shows what a run would do"
    yield f"#   pipeline run {file} --emulate     draws placeholders; needs no key"
    yield f"#   pipeline run {file}               names the price, then asks"
    yield "#"
    yield from _comment(
        "A run makes only what is missing. Change a prompt and run again: that item is"
        " made again, and nothing else is paid for."
    )
    yield ""
    yield "version: 1"
    yield f"model: {scalar(draft.model)}  # `pipeline models` lists others"
    yield ""
    yield f"# Inputs for every item; `pipeline schema {draft.model}` lists them."
    yield "params:" if draft.params else "# params:"
    for name, value in draft.params.items():
        yield f"  {name}: {value}"
    if not draft.params:
        yield "#   seed: 7"
    if draft.references:
        yield ""
        yield "# Reference pictures. Each is uploaded once, however often it is used."
        yield "references:"
        for name, value in draft.references.items():
            yield f"  {name}: {value}"
    yield ""
    yield "# Words that several prompts share: ${look} in a prompt stands for them."
    yield "vars:" if draft.look else "# vars:"
    look = f"  look: {scalar(draft.look or DEFAULT_LOOK)}"
    yield look if draft.look else f"# {look}"
    yield ""
    yield "# The most that all runs together may cost, in compute units."
    yield "# max_cost: 100"
    yield ""
    yield "items:"
    for number, entry in enumerate(draft.entries):
        if number:
            yield ""
        yield from _entry(entry)
    if draft.lesson:
        yield ""
        yield from (f"  # {line}" for line in draft.lesson)


def _entry(entry: Entry) -> Iterator[str]:
    for line in entry.comments:
        yield from _comment(line, "  ")
    yield f"  - id: {scalar(entry.item_id)}"
    yield f"    prompt: {scalar(entry.prompt)}"
    for name, value in entry.keys.items():
        yield f"    {name}: {value}"
    if entry.params:
        yield "    params:"
    for name, value in entry.params.items():
        yield f"      {name}: {value}"
    for line in entry.notes:
        yield from _comment(line, "    ")


def _comment(text: str, indent: str = "") -> Iterator[str]:
    width = _WIDTH - len(indent) - 2
    for line in wrap(text, width, break_long_words=False, break_on_hyphens=False):
        yield f"{indent}# {line}"
