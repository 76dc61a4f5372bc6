"""Who decides: the name that git has for the user, else the login name."""

import getpass
import subprocess
from pathlib import Path

_LIMIT_S = 5.0
_MOST_CHARS = 200


def find_reviewer(folder: Path) -> str:
    """``Name <email>`` as git would write it in a commit, else the login name, or "".

    Args:
        folder: The manifest's folder, whose git configuration counts.
    """
    name = _ask_git(folder, "user.name")
    email = _ask_git(folder, "user.email")
    if name or email:
        said = f"{name} <{email}>" if name and email else name or email
    else:
        said = _find_login()
    # It becomes a part of a line in the review file.
    return "".join(c for c in said if c.isprintable())[:_MOST_CHARS]


def _ask_git(folder: Path, key: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - one of two constants
            ["git", "config", "--get", key],  # noqa: S607 - the user's own git
            cwd=folder,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def _find_login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
