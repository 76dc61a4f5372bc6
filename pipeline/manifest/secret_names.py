"""A path that a manifest names → why it is not read: by its name it may be a secret.

What a manifest names is uploaded, or sent as prompts. A manifest from somewhere else
must not make that the keys of whoever runs it. Pure.
"""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

# Compared in lower case. Names that begin with a dot are hidden, and refused as such.
_SECRET = (
    "*.env",
    "*.env.*",
    "*.pem",
    "*.key",
    "*.ppk",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.gpg",
    "*.tfstate",
    "*.tfvars",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "credentials*",
    "client_secret*",
    "service?account*",
    "secrets.*",
    "_netrc",
    "netrc",
    "htpasswd",
    "shadow",
)
_OF_THE_SYSTEM = frozenset({"proc", "sys", "dev"})  # some of it never ends


def why_refused(home: Path, text: str, resolved: Path) -> str:
    """Why a file is not read, to follow its name; "" where nothing is against it.

    Args:
        home: The manifest's folder, without links.
        text: The path as it is written.
        resolved: Where it leads, without links.
    """
    written = [part for part in re.split(r"[/\\]", text) if part not in {".", ".."}]
    if wrong := _look_at(written):
        return f"is {wrong}: it may hold a secret, so it is not read"
    if os.name == "posix" and _OF_THE_SYSTEM.intersection(resolved.parts[1:2]):
        return "is no file of a person's, so it is not read"
    if wrong := _look_at(_below_what_they_share(home, resolved)):
        return f"is a link to what is {wrong}: it may hold a secret, so it is not read"
    return ""


def _look_at(parts: list[str]) -> str:
    if any(part.startswith(".") for part in parts):
        return "hidden"
    name = parts[-1].lower() if parts else ""
    return (
        "named like a secret"
        if any(fnmatchcase(name, pattern) for pattern in _SECRET)
        else ""
    )


def _below_what_they_share(home: PurePath, path: PurePath) -> list[str]:
    """The last parts of a path: a manifest may itself lie in a hidden folder."""
    shared = 0
    for ours, theirs in zip(home.parts, path.parts, strict=False):
        if ours != theirs:
            break
        shared += 1
    return list(path.parts[shared:])
