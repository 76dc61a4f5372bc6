"""Writes docs/reference/python-details.md from the public names of the package.

Run ``python .ci/python_reference.py`` after a change of ``pipeline.__all__``, or of a
signature or docstring that is public. A test holds the page to be what this writes.
"""

import ast
import enum
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pipeline

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "python-details.md"

_HEAD = """\
# Python, in detail

The [public names](python.md) of the package `pipeline`, each with its arguments or
attributes, types and defaults. This page is made from the code, by
`python .ci/python_reference.py`.
"""
_SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")
_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_PAGES = re.compile(r"``docs/reference/([\w-]+)\.md``")
_ENTRY = re.compile(r"(\*{0,2}[\w., ]+):\s+(.*)", re.DOTALL)


class Doc(NamedTuple):
    """A docstring in the style of Google, in its parts, as Markdown."""

    text: str
    entries: dict[str, dict[str, str]]


class Field(NamedTuple):
    """A parameter or an attribute, as it is written in the code."""

    kind: str = ""
    default: str = ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8", newline="\n")


def render() -> str:
    """The page as Markdown."""
    names = [name for name in pipeline.__all__ if not name.startswith("_")]
    found = {name: getattr(pipeline, name) for name in names}
    functions = {n: o for n, o in found.items() if inspect.isfunction(o)}
    classes = {n: o for n, o in found.items() if inspect.isclass(o)}
    lines = [_HEAD]
    lines += ["## Functions", ""]
    for name, function in functions.items():
        lines += _function(name, function, "###")
    lines += ["## Classes", ""]
    for name, kind in classes.items():
        lines += _class(name, kind)
    for name, union in found.items():
        if isinstance(union, types.UnionType):
            members = ", ".join(f"`{one.__name__}`" for one in union.__args__)
            lines += [f"### `{name}`", "", f"One of {members}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _function(name: str, function: Any, level: str) -> Iterator[str]:
    node = _source_of(function)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    doc = parse_doc(inspect.getdoc(function) or "")
    fields = _parameters(node, inspect.getmodule(function))
    is_async = isinstance(node, ast.AsyncFunctionDef)
    returned = ast.unparse(node.returns) if node.returns else ""
    yield f"{level} `{name}`"
    yield ""
    yield "```text"
    positional = ", ".join(arg.arg for arg in node.args.args if arg.arg != "self")
    rest = ", *, …" if node.args.kwonlyargs else ""
    yield f"{'await ' if is_async else ''}{name}({positional}{rest}) → {returned}"
    yield "```"
    yield ""
    yield doc.text
    yield ""
    yield from _table("Argument", fields, doc.entries.get("Args", {}))
    if answer := doc.entries.get("Returns", {}).get(""):
        yield f"**Returns** {answer}"
        yield ""
    for error, why in doc.entries.get("Raises", {}).items():
        yield f"- **Raises `{error}`**: {why}"
    yield ""


def _class(name: str, kind: type) -> Iterator[str]:
    doc = parse_doc(inspect.getdoc(kind) or "")
    yield f"### `{name}`"
    yield ""
    yield doc.text
    yield ""
    if issubclass(kind, enum.Enum):
        yield "| Name | Value |"
        yield "|---|---|"
        yield from (f"| `{one.name}` | {one.value} |" for one in kind)
        yield ""
        return
    node = _source_of(kind)
    assert isinstance(node, ast.ClassDef)
    entries = doc.entries.get("Args", {}) | doc.entries.get("Attributes", {})
    fields = {
        one.target.id: Field(
            ast.unparse(one.annotation),
            _shown_default(one.value, inspect.getmodule(kind)),
        )
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    known = {key: fields.get(key, Field()) for key in entries}
    yield from _table("Attribute", known, entries)
    for member in node.body:
        if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if member.name.startswith("_"):
            continue
        about = parse_doc(inspect.cleandoc(ast.get_docstring(member) or "")).text
        arguments = [one.arg for one in (*member.args.args, *member.args.kwonlyargs)]
        is_property = any(ast.unparse(d) == "property" for d in member.decorator_list)
        call = "" if is_property else f"({', '.join(arguments[1:])})"
        returned = ast.unparse(member.returns) if member.returns else "None"
        yield f"- `{member.name}{call}` → `{returned}`: {_one_line(about)}"
    yield ""


def _parameters(
    node: ast.FunctionDef | ast.AsyncFunctionDef, home: Any
) -> dict[str, Field]:
    positional = [arg for arg in node.args.args if arg.arg != "self"]
    defaults: list[ast.expr | None] = [None] * (
        len(positional) - len(node.args.defaults)
    )
    defaults += node.args.defaults
    both = [
        *zip(positional, defaults, strict=True),
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ]
    return {
        arg.arg: Field(
            ast.unparse(arg.annotation) if arg.annotation else "",
            _shown_default(default, home),
        )
        for arg, default in both
    }


def _table(
    what: str, fields: dict[str, Field], entries: dict[str, str]
) -> Iterator[str]:
    if not fields:
        return
    has_types = any(field.kind for field in fields.values())
    yield (
        f"| {what} | Type | Default | Meaning |"
        if has_types
        else (f"| {what} | Meaning |")
    )
    yield "|---|---|---|---|" if has_types else "|---|---|"
    for name, field in fields.items():
        about = entries.get(name, "").replace("|", "\\|")
        if not has_types:
            yield f"| `{name}` | {about} |"
            continue
        kind = f"`{field.kind}`".replace("|", "\\|") if field.kind else ""
        yield f"| `{name}` | {kind} | {field.default} | {about} |"
    yield ""


def _shown_default(default: ast.expr | None, home: Any) -> str:
    """A default as Markdown; a constant of the module ``home`` by its value."""
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
        given = {one.arg: one.value for one in default.keywords}
        if factory := given.get("default_factory"):
            return f"`{ast.unparse(factory)}()`"
        default = given.get("default")
    if default is None:
        return ""
    if isinstance(default, ast.Lambda):
        return "does nothing"
    written = ast.unparse(default)
    if written.isupper():
        written = repr(getattr(home, written))
    return f"`{written}`"


def _source_of(thing: Any) -> ast.stmt:
    source = textwrap.dedent(inspect.getsource(thing))
    return ast.parse(source).body[0]


def parse_doc(text: str) -> Doc:
    """A docstring → its text and its sections, by name and entry; "" for the whole."""
    parts = re.split(rf"^({'|'.join(_SECTIONS)}):\n", text, flags=re.MULTILINE)
    entries: dict[str, dict[str, str]] = {}
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        section = entries.setdefault(title, {})
        block = textwrap.dedent(body).strip()
        for one in re.split(r"\n(?=\S)", block):
            match = _ENTRY.fullmatch(one)
            if match is None or title in {"Returns", "Yields"}:
                section[""] = _one_line(block)
                break
            section[match[1]] = _one_line(match[2])
    return Doc(_markdown(parts[0].strip()), entries)


def _one_line(text: str) -> str:
    return " ".join(_markdown(text).split())


def _markdown(text: str) -> str:
    text = _PAGES.sub(r"[\1](\1.md)", text)
    return _ROLE.sub(r"`\1`", text).replace("``", "`")


if __name__ == "__main__":
    main()
