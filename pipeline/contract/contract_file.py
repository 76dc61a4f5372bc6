"""``contract.json``: what a service was asked and what it answered.

It contains no credential, no signed URL and no full id of a person, so it may be
committed beside the manifest. Its content is not trusted: it changes what a run says,
but never what it does.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.contract.assumptions import ASSUMPTIONS, BY_KEY, verdict_on
from pipeline.errors import UsageError
from pipeline.job import JsonValue
from pipeline.record import Struct, field
from pipeline.settings import Service, expand_home
from pipeline.storage.atomic_file import write_beside
from pipeline.storage.regular_file import open_regular
from pipeline.version import __version__

SCHEMA = "scenario-pipeline/contract/1"
FILE_NAME = "contract.json"
EXCHANGES_ENDING = ".exchanges.jsonl"
CONTRACT_VARIABLE = "PIPELINE_CONTRACT"
MOST_BYTES = 4 << 20
_LONGEST_SEEN = 200


class Contract(Struct, frozen=True, kw_only=True):
    """What was observed of one service.

    Attributes:
        base_url: The service's base URL.
        project_id: The project that was named, or "".
        model_id: The model that was asked about.
        seen: By the key of an assumption: what was observed and when, in UTC.
        models: The records of models, by id.
    """

    base_url: str
    project_id: str = ""
    model_id: str = ""
    seen: Mapping[str, tuple[JsonValue, str]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def value(self, key: str) -> JsonValue:
        """What was observed; None if nothing was."""
        return self.seen[key][0] if key in self.seen else None

    def as_json(self) -> dict[str, object]:
        """The content of the file."""
        answers = {}
        for assumption in ASSUMPTIONS:
            value, at = self.seen.get(assumption.key, (None, ""))
            answers[assumption.key] = {
                "assumed": assumption.text,
                "expected": list(assumption.agrees),
                "seen": value,
                "verdict": verdict_on(assumption.key, value),
                **({"at": at} if at else {}),
            }
        return {
            "schema": SCHEMA,
            "tool": f"scenario-pipeline {__version__}",
            "service": {"base_url": self.base_url, "project_id": self.project_id},
            "model": self.model_id,
            "answers": answers,
            "models": dict(self.models),
        }


def write_contract(path: Path, contract: Contract, clean: Callable[[str], str]) -> None:
    """Write a contract file, completely or not at all.

    Args:
        path: Where to write it.
        contract: What to write.
        clean: Removes secrets from a text.

    Raises:
        OutputError: It cannot be written.
    """
    write_beside(path, clean(json.dumps(contract.as_json(), indent=1)).encode() + b"\n")


def exchanges_path(path: Path) -> Path:
    """The path of a contract file's exchanges, which are beside it."""
    return path.with_name(path.stem + EXCHANGES_ENDING)


def write_exchanges(path: Path, lines: Iterable[str]) -> None:
    """Write the exchanges of a contract file beside it, completely or not at all.

    Args:
        path: The contract file.
        lines: One exchange per line, without secrets.

    Raises:
        OutputError: They cannot be written.
    """
    write_beside(exchanges_path(path), "".join(f"{line}\n" for line in lines).encode())


def read_contract(path: Path) -> Contract:
    """Read what :func:`write_contract` wrote; unknown keys are ignored.

    Raises:
        UsageError: It is not a contract file.
    """
    shown = os.fspath(path)
    hint = "make one with: pipeline doctor --contract"
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {shown}", hint=hint) from error
    except OSError as error:
        reason = f"{shown} cannot be read: {error.strerror}"
        raise UsageError(reason, hint=hint) from error
    # The content is never quoted, in case somebody names a file of secrets by mistake.
    no_contract = UsageError(f"{shown} is not a contract file", hint=hint)
    if len(content) > MOST_BYTES:
        raise no_contract
    try:
        record = json.loads(content)
        if record["schema"] != SCHEMA:
            raise no_contract
        service = record["service"]
        return Contract(
            base_url=_text(service["base_url"]),
            project_id=_text(service["project_id"]),
            model_id=_text(record["model"]),
            seen={
                key: (_scalar(answer["seen"]), _text(answer.get("at", "")))
                for key, answer in record["answers"].items()
                if key in BY_KEY and answer["seen"] is not None
            },
            models={
                _text(name): dict(model) for name, model in record["models"].items()
            },
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise no_contract from None


def notes_on_contract(
    folder: Path, service: Service, environment: Mapping[str, str]
) -> list[str]:
    """What a person should know about the service before a run; may be empty.

    Args:
        folder: The manifest's folder.
        service: The service that the run uses.
        environment: The process environment; ``PIPELINE_CONTRACT`` names another file.
    """
    named = environment.get(CONTRACT_VARIABLE, "").strip()
    if service.is_emulated or not (named or (folder / FILE_NAME).is_file()):
        return []
    try:
        path = expand_home(named) if named else folder / FILE_NAME
        contract = read_contract(path)
    except UsageError as error:
        return [f"ignored: {error.message}"]
    if contract.base_url != service.base_url:
        return []
    notes = []
    for assumption in ASSUMPTIONS:
        seen, at = contract.seen.get(assumption.key, (None, ""))
        if assumption.safety and verdict_on(assumption.key, seen) == "differ":
            notes.append(
                f"{path.name}, {assumption.key}: not so at {service.base_url}:"
                f" {assumption.text}; seen: {seen} ({at[:10]}); {assumption.safety}"
            )
    return notes


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is required")
    return value[:_LONGEST_SEEN]


def _scalar(value: object) -> JsonValue:
    if isinstance(value, str):
        return value[:_LONGEST_SEEN]
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError("an answer must be a text or a number")
