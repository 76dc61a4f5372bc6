"""Files that nobody should read, and things that are no files."""

import os
import socket
from pathlib import Path

from knobs.world import HEAD

from doubles.place import items

CANARY = "c4n4ry-Zq8w"
AN_OAK = items("an oak")
REFERENCE = HEAD + (
    "references: {style: style.png}\n"
    "items:\n  - {id: a, prompt: an oak, params: {images: [ref:style]}}\n"
)


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def link(folder, name, target):
    (folder / name).symlink_to(target)


def open_socket(path):
    """A socket's name outlives it."""
    here = Path.cwd()
    os.chdir(path.parent)  # its address has a hundred characters at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)
