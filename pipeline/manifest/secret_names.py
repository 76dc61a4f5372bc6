"""A path named in a manifest → why it is not read: its name suggests a secret.

The files a manifest names are uploaded, or sent as prompts. A manifest from someone
else must not be able to send the user's own keys. Pure.
"""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

# Compared in lower case. Names that begin with a dot are hidden, and not read either.
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
_SYSTEM_FOLDERS = frozenset({"proc", "sys", "dev"})  # some files there never end


def why_refused(home: Path, text: str, resolved: Path) -> str:
    """Why a file is not read, worded to follow its name; "" if it may be read.

    Args:
        home: The manifest's folder, with links resolved.
        text: The path as written.
        resolved: Where it leads, with links resolved.
    """
    written = [part for part in re.split(r"[/\\]", text) if part not in {".", ".."}]
    if wrong := _suspicion_about(written):
        return f"is {wrong}: it may contain a secret, so it is not read"
    if os.name == "posix" and _SYSTEM_FOLDERS.intersection(resolved.parts[1:2]):
        return "is a system file, so it is not read"
    if wrong := _suspicion_about(_parts_below_common_folder(home, resolved)):
        why = "it may contain a secret, so it is not read"
        return f"links to a file that is {wrong}: {why}"
    return ""


def _suspicion_about(parts: list[str]) -> str:
    if any(part.startswith(".") for part in parts):
        return "hidden"
    name = parts[-1].lower() if parts else ""
    return (
        "named like a secret"
        if any(fnmatchcase(name, pattern) for pattern in _SECRET)
        else ""
    )


def _parts_below_common_folder(home: PurePath, path: PurePath) -> list[str]:
    """Only these are judged: the manifest itself may be in a hidden folder."""
    shared = 0
    for ours, theirs in zip(home.parts, path.parts, strict=False):
        if ours != theirs:
            break
        shared += 1
    return list(path.parts[shared:])
