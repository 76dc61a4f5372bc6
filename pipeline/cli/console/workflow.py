"""Text for a log that GitHub's runner reads: it must not be taken for a command.

The runner obeys a line that begins with ``::``, after spaces, and ``##[`` anywhere in a
line, on stdout and on stderr. Prompts and texts of the service may contain both.

Source: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
"""

import re
from collections.abc import Mapping

# What a comparison of texts may pass over: controls, and characters without a width.
_NOTHING = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f"
_NOTHING += "\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_SPACE = rf"[^\S\r\n]|[{_NOTHING}]"
_COMMAND = re.compile(
    rf"((?:^|(?<=[\r\n]))(?:{_SPACE})*:[{_NOTHING}]*)(?=:)"
    rf"|(\#[\t{_NOTHING}]*\#[\t{_NOTHING}]*)(?=\[)"
)
# The end of a text of which the next write may make a command.
_BEGUN = re.compile(rf"(?:^|(?<=[\r\n]))(?:{_SPACE})*:?[{_NOTHING}]*\Z")
_BEGUN_LATER = re.compile(rf"\#[\t{_NOTHING}]*(?:\#[\t{_NOTHING}]*)?\Z")


def is_github(environment: Mapping[str, str]) -> bool:
    """Whether this process runs in a step of GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


class CommandFilter:
    """Makes workflow commands in the text of a stream harmless, across its writes."""

    def __init__(self) -> None:
        self._before = ""  # what decides whether the unfinished line has a command

    def clean(self, text: str) -> str:
        """The text with a backslash inside of everything that would be a command."""
        whole = _COMMAND.sub(r"\g<0>\\", self._before + text)
        cleaned = whole[len(self._before) :]
        if begun := _BEGUN.search(whole):
            self._before = begun[0]
        else:  # the line has begun with something else
            begun = _BEGUN_LATER.search(whole)
            self._before = f".{begun[0]}" if begun else "."
        return cleaned
