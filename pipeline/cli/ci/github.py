"""GitHub Actions: whether a command runs there, and the files that it may write.

Without GitHub's variables, nothing changes.
"""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.cli.console.workflow import is_github
from pipeline.record import Struct
from pipeline.redaction import SECRETS
from pipeline.report.markdown import fit

# The runner drops a summary above 1,024 KiB as a whole. It masks secrets and changes
# line ends first, so some room is left.
# Source: CreateStepSummaryCommand, https://github.com/actions/runner
_SUMMARY_BYTES = 1024 * 1024
_SPARE_BYTES = 16 * 1024


class GitHub(Struct, frozen=True, kw_only=True):
    """The step that a command runs in.

    Attributes:
        summary: The file for the step's summary, or None.
        outputs: The file for the step's outputs, or None.
        workspace: The folder of the checkout, or None.
        repository_url: ``https://github.com/owner/name``, or "".
        commit: The commit that is checked out, or "".
    """

    summary: Path | None
    outputs: Path | None
    workspace: Path | None
    repository_url: str
    commit: str

    def add_summary(self, lines: Iterable[str]) -> None:
        """Append to the step's summary what fits beside what is there already.

        Raises:
            OSError: It cannot be written.
        """
        if self.summary is None:
            return
        taken = self.summary.stat().st_size if self.summary.exists() else 0
        text = SECRETS.clean(fit(lines, _SUMMARY_BYTES - _SPARE_BYTES - taken))
        if text:
            with self.summary.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"\n{text}")

    def set_outputs(self, values: Mapping[str, object]) -> None:
        """Set outputs of the step; no value can set another one.

        Raises:
            OSError: The file cannot be written.
        """
        if self.outputs is None:
            return
        with self.outputs.open("a", encoding="utf-8", newline="\n") as file:
            for name, value in values.items():
                end = f"end-{secrets.token_hex(16)}"
                file.write(f"{name}<<{end}\n{SECRETS.clean(str(value))}\n{end}\n")


def find_github(environment: Mapping[str, str]) -> GitHub | None:
    """The step of GitHub Actions that this process belongs to, or None."""
    if not is_github(environment):
        return None
    server = environment.get("GITHUB_SERVER_URL", "")
    repository = environment.get("GITHUB_REPOSITORY", "")
    return GitHub(
        summary=_path(environment, "GITHUB_STEP_SUMMARY"),
        outputs=_path(environment, "GITHUB_OUTPUT"),
        workspace=_path(environment, "GITHUB_WORKSPACE"),
        repository_url=f"{server}/{repository}" if server and repository else "",
        commit=environment.get("GITHUB_SHA", ""),
    )


def find_checkout(environment: Mapping[str, str]) -> Path | None:
    """The folder of the repository that a CI system has checked out, or None."""
    if is_github(environment):
        return _path(environment, "GITHUB_WORKSPACE")
    if environment.get("GITLAB_CI") == "true":
        return _path(environment, "CI_PROJECT_DIR")
    return None


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    return Path(environment[name]) if environment.get(name) else None
