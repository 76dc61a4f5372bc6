"""How a process that fetches is started: with no credential of Scenario."""

import sys
from collections.abc import Mapping
from pathlib import Path

_SECRET_PREFIX = "SCENARIO_"  # noqa: S105 - the beginning of names
_PACKAGES = Path(__file__).parents[2]
# The current folder, which may have a folder `pipeline` of its own, is not searched.
_CODE = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from {module} import main; main(*sys.argv[2:])"
)


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the variables of Scenario."""
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_SECRET_PREFIX)
    }


def command_of(module: str, *arguments: str) -> list[str]:
    """The command that calls ``main`` of one of our modules in another process."""
    code = _CODE.format(module=module)
    return [sys.executable, "-P", "-c", code, str(_PACKAGES), *arguments]
