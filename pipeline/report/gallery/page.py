"""A Gallery → the files of its page: HTML, classic scripts and styles. Pure.

A page from disk can load neither modules nor data, so everything comes as classic
scripts: ``data.js`` has the records, and one script for each 3D model its bytes.
"""

import base64
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from pipeline.report.gallery.data import Gallery

DATA_NAME = "data.js"
PAGE_NAME = "index.html"
_TEMPLATE = "index.html.j2"
# In this order; of a text in single quotes. A quote could end it, a line end its line,
# and ``<`` the script element that it is in.
_ESCAPES = {
    "\\": "\\\\",
    "'": "\\'",
    "<": "\\u003c",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def render_page(gallery: Gallery) -> bytes:
    """``index.html``; what comes from the gallery is escaped."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - 60 ms

    source = _folder("page").joinpath(_TEMPLATE).read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(source).render(gallery=gallery).encode()


def render_data(gallery: Gallery) -> bytes:
    """``data.js``: sets ``window.GALLERY``.

    No text in it can end the script, whether the script is a file or in a page. It is
    parsed as JSON: faster than an object of JavaScript, and ``__proto__`` is a name
    like any other.
    """
    text = msgspec.json.encode(gallery)
    for sign, escaped in _ESCAPES.items():
        text = text.replace(sign.encode(), escaped.encode())
    return b"window.GALLERY = JSON.parse('" + text + b"');\n"


def render_model(sha256: str, content: bytes) -> bytes:
    """A script that sets ``window.GALLERY_MODELS[sha256]`` to the base64 of a file."""
    opening = "(window.GALLERY_MODELS = window.GALLERY_MODELS || {})"
    text = base64.b64encode(content)
    return f'{opening}[{json.dumps(sha256)}] = "'.encode() + text + b'";\n'


@cache
def page_files() -> Mapping[str, bytes]:
    """The scripts and styles of every page, by name."""
    return _read(_folder("page"), "")


@cache
def viewer_files() -> Mapping[str, bytes]:
    """The viewer of 3D models with its licence, by name below ``vendor/``."""
    return _read(_folder("vendor"), "vendor/")


def _folder(name: str) -> Traversable:
    return files(__package__).joinpath(name)


def _read(folder: Traversable, prefix: str) -> Mapping[str, bytes]:
    return {
        prefix + one.name: one.read_bytes()
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.is_file() and not one.name.endswith((".j2", ".md", ".py"))
    }
