"""Texts with ``${name}`` → values, for one combination of variables.

``${name}`` is a value, and ``${slug:name}`` the same as a part of an id. ``$$`` is a
dollar, and any other dollar stays as it is. The result is not substituted again, so a
CSV cell that contains ``${…}`` keeps it literally.
"""

import re
from collections.abc import Iterator, Mapping

from pipeline.job import JsonValue
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.slug import slug_of
from pipeline.record import Struct

SLUG = "slug:"
_TOKEN = re.compile(r"\$\$|\$\{([^{}$\n]*)(\}?)")
_CSV_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_CSV_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "1"), True),
    **dict.fromkeys(("false", "no", "0"), False),
}


class Variable(Struct, frozen=True):
    """A ``${name}`` or ``${slug:name}`` inside a text."""

    name: str
    is_slug: bool = False

    @property
    def written(self) -> str:
        """As it is written."""
        return f"${{{SLUG if self.is_slug else ''}{self.name}}}"


class Template(Struct, frozen=True):
    """A text with at least one variable.

    Attributes:
        parts: Texts and variables, in order; no text is empty.
        node: Where it is written.
    """

    parts: tuple[str | Variable, ...]
    node: Node

    @property
    def exact(self) -> str:
        """The name if the whole text is one ``${name}``, else ""."""
        part = self.parts[0]
        if len(self.parts) > 1 or isinstance(part, str) or part.is_slug:
            return ""
        return part.name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, in the order they appear."""
        return tuple(part.name for part in self.variables)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables, in the order they appear."""
        return tuple(part for part in self.parts if isinstance(part, Variable))


class ListTemplate(Struct, frozen=True):
    """A list with a variable somewhere inside."""

    elements: tuple["Compiled", ...]


class DictTemplate(Struct, frozen=True):
    """A mapping with a variable somewhere inside."""

    entries: tuple[tuple[str, "Compiled"], ...]


Compiled = JsonValue | Template | ListTemplate | DictTemplate


class BadTemplate(Exception):
    """A text with an invalid substitution.

    Attributes:
        needle: The wrong part, for finding its column.
    """

    def __init__(self, needle: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.needle = needle
        self.message = message
        self.hint = hint


class Unbound(Exception):
    """A variable without a usable value in this combination.

    Attributes:
        name: The variable's name.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class LeftOut:
    """The value of an input whose whole value is an empty CSV cell: leave it out."""


LEFT_OUT = LeftOut()


def parse_template(text: str, node: Node) -> str | Template:
    """Split a text at its variables; a text without any is returned unescaped.

    Raises:
        BadTemplate: A ``${`` without an end, or without a name.
    """
    if "$" not in text:
        return text
    parts: list[str | Variable] = []
    plain: list[str] = []
    position = 0
    for match in _TOKEN.finditer(text):
        plain.append(text[position : match.start()])
        position = match.end()
        if match.group() == "$$":
            plain.append("$")
            continue
        name = match.group(1)
        if not match.group(2):
            hint = "write ${name}, or $${ for the characters themselves"
            raise BadTemplate(match.group(), "'${' without a closing '}'", hint)
        is_slug = name.startswith(SLUG)
        name = name.removeprefix(SLUG)
        if not name or name != name.strip():
            hint = "write ${name}, without spaces"
            raise BadTemplate(
                match.group(), f"'{match.group()}' is not a variable", hint
            )
        if before := "".join(plain):
            parts.append(before)
        plain.clear()
        parts.append(Variable(name, is_slug))
    plain.append(text[position:])
    rest = "".join(plain)
    if not parts:
        return rest
    return Template((*parts, rest) if rest else tuple(parts), node)


def template_names(compiled: Compiled) -> Iterator[str]:
    """Every variable in a compiled value, nested ones too."""
    if isinstance(compiled, Template):
        yield from compiled.names
    elif isinstance(compiled, ListTemplate):
        for element in compiled.elements:
            yield from template_names(element)
    elif isinstance(compiled, DictTemplate):
        for _, entry in compiled.entries:
            yield from template_names(entry)


def is_dynamic(compiled: Compiled) -> bool:
    """Whether the value depends on variables."""
    return isinstance(compiled, Template | ListTemplate | DictTemplate)


class Scope(Struct):
    """The variables of one combination.

    Attributes:
        nodes: From ``vars`` and ``matrix``; inner definitions have replaced outer ones.
        cells: From one row; they take precedence over ``nodes``.
        are_cells_typed: False for CSV, where every cell is text.
    """

    nodes: Mapping[str, Node]
    cells: Mapping[str, JsonValue]
    are_cells_typed: bool = True

    def value(self, name: str) -> JsonValue:
        """The typed value of a variable.

        Raises:
            Unbound: It has none in this combination.
        """
        if name in self.cells:
            return self.cells[name]
        node = self.nodes.get(name)
        if node is None or isinstance(node.value, Broken | list | dict):
            raise Unbound(name, f"'${{{name}}}' has no value here")
        return node.value

    def text(self, name: str) -> str:
        """The value as text, with numbers as they are written in the manifest.

        Raises:
            Unbound: It has none in this combination, or is a list or mapping.
        """
        value = self.value(name)
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            node = self.nodes.get(name) if name not in self.cells else None
            return node.text if node is not None and node.text else str(value)
        kind = "empty" if value is None else "a list or mapping"
        raise Unbound(name, f"'${{{name}}}' is {kind} and cannot be part of a text")


def render_text(template: str | Template, scope: Scope) -> str:
    """The text with its variables replaced.

    Raises:
        Unbound: A variable has no value in this combination.
    """
    if isinstance(template, str):
        return template
    return "".join(
        part if isinstance(part, str) else _text_of(part, scope)
        for part in template.parts
    )


def _text_of(variable: Variable, scope: Scope) -> str:
    text = scope.text(variable.name)
    return slug_of(text) if variable.is_slug else text


def render_value(
    compiled: Compiled, scope: Scope, cell_type: str
) -> JsonValue | LeftOut:
    """The value with its variables replaced.

    Args:
        compiled: From the manifest.
        scope: The variables.
        cell_type: The type the model wants for one value (``number``, ``boolean``, …).
            A CSV cell that is a whole value is converted to it if possible.

    Returns:
        LEFT_OUT if the whole value is an empty CSV cell, or a list of nothing else.
        Other lists and mappings are returned without such entries.

    Raises:
        Unbound: A variable has no value in this combination.
    """
    if isinstance(compiled, Template):
        name = compiled.exact
        if not name:
            return render_text(compiled, scope)
        value = scope.value(name)
        if scope.are_cells_typed or name not in scope.cells:
            return value
        return value_of_cell(str(value), cell_type)
    if isinstance(compiled, ListTemplate):
        elements = (render_value(e, scope, cell_type) for e in compiled.elements)
        filled = [e for e in elements if not isinstance(e, LeftOut)]
        return filled or LEFT_OUT
    if isinstance(compiled, DictTemplate):
        entries = ((k, render_value(e, scope, "")) for k, e in compiled.entries)
        return {k: v for k, v in entries if not isinstance(v, LeftOut)}
    return compiled


def value_of_cell(cell: str, wanted: str) -> JsonValue | LeftOut:
    """A CSV cell that is a whole value, as the type that the model wants.

    Args:
        cell: As it is in the file.
        wanted: The type of one value (``number``, ``boolean``, …).

    Returns:
        LEFT_OUT for an empty cell; the text itself if it is not of this type.
    """
    text = cell.strip()
    if not text:
        return LEFT_OUT
    if wanted == "number" and _CSV_NUMBER.fullmatch(text):
        number = float(text)
        if text.lstrip("+-").isdecimal() and abs(number) < 2**53:
            return int(text)
        return number if abs(number) != float("inf") else cell
    if wanted == "boolean":
        return _CSV_BOOLEANS.get(text.lower(), cell)
    return text if wanted in {"file", "model"} else cell
