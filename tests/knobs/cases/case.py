"""One question to the service with two answers, and how a run must end with each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from knobs.world import PLAIN, QUICK, Played, World

from pipeline import ExitCode, Settings

Check = Callable[[World, Played], None]


def nothing(_world: World, _played: Played) -> None:
    """No further demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How a run has to end.

    Attributes:
        code: Its exit code.
        saved: Items saved; None for all that were paid for.
        jobs: Jobs that the service made, each of which is paid for.
        posts: Submits sent; None for as many as jobs, -1 for any number.
        check: Further demands.
    """

    code: ExitCode = ExitCode.OK
    saved: int | None = None
    jobs: int = 4
    posts: int | None = None
    check: Check = nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question.

    Attributes:
        knob: A field of ``EmulatorProfile`` or of one of its records.
        value: Another value than its default.
        text: A manifest for which the difference matters.
        beside: Other fields, the same for both answers.
        faults: The faults of the run, the same for both answers.
        settings: The settings of the client.
        project_id: The project that the client asks for.
        default: How a run ends with the default.
        changed: How it ends with ``value``; None for just as well.
    """

    knob: str
    value: Any
    text: str = PLAIN
    beside: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    settings: Settings = QUICK
    project_id: str = ""
    default: Ends = Ends()
    changed: Ends | None = None

    def __str__(self) -> str:
        return f"{self.knob}={self.value}"[:60]
