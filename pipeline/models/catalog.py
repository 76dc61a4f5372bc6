"""ModelCatalog: model id → its inputs, from the service, the cache, or the package.

The service is asked once per model, and its answer is kept for a day. If it cannot be
asked, the best known table is used, and a note says so.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.clock import format_utc, parse_utc
from pipeline.errors import JobError, OutputError, RunError
from pipeline.models.record import load_shipped_model, parse_model
from pipeline.models.schema import InputSchema, ModelSchema
from pipeline.record import replace
from pipeline.settings import Service, user_folder
from pipeline.storage.atomic_file import write_in_place
from pipeline.storage.regular_file import read_regular

CACHE_VARIABLE = "PIPELINE_CACHE_DIR"
KEPT_FOR = timedelta(days=1)
_DIFFERENCES_SHOWN = 8
_LONGEST_TEXT = 160
_MAX_RECORD_BYTES = 16 << 20  # the limit for any answer of the service
_RECORD_SCHEMA = "scenario-pipeline/model/1"
_COMPARED = (
    "type",
    "required",
    "default",
    "allowed_values",
    "minimum",
    "maximum",
    "step",
    "min_length",
    "max_length",
    "kind",
    "max_size_bytes",
)

ReadModel = Callable[[str], Mapping[str, Any] | None]


class ModelCache:
    """Model records of one service as files; unusable ones are ignored.

    Args:
        folder: Where they are kept.
        service: Where they are from. Those of another service are never returned.
    """

    def __init__(self, folder: Path, service: Service) -> None:
        self._folder = folder / "models"
        self._service = service

    def find(self, model_id: str) -> tuple[Mapping[str, Any], datetime] | None:
        """A model's record and when it was read, or None."""
        try:
            path = self._folder / self._name(model_id)
            content = read_regular(
                path, limit_bytes=_MAX_RECORD_BYTES, inside=self._folder
            )
            kept = json.loads(content)
            if kept["schema"] != _RECORD_SCHEMA or kept["model"]["id"] != model_id:
                return None
            return kept["model"], parse_utc(kept["read_at"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def keep(self, model_id: str, record: Mapping[str, Any], now: datetime) -> None:
        """Store a record that was read just now."""
        kept = {
            "schema": _RECORD_SCHEMA,
            "base_url": self._service.base_url,
            "project_id": self._service.project_id,
            "read_at": format_utc(now),
            "model": record,
        }
        content = json.dumps(kept, indent=1).encode()
        with contextlib.suppress(OSError, OutputError):
            write_in_place(content, self._folder, self._name(model_id))

    def _name(self, model_id: str) -> str:
        service = self._service
        asked = json.dumps([service.base_url, service.project_id, model_id])
        return f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where model records are kept: ``PIPELINE_CACHE_DIR``, or the user's cache.

    None if the user has no home folder.
    """

    def find() -> Path:
        from platformdirs import user_cache_path  # noqa: PLC0415 - seldom needed

        return user_cache_path("scenario-pipeline", appauthor=False)

    return user_folder(environment.get(CACHE_VARIABLE), find)


def find_cache(
    service: Service, environment: Mapping[str, str] = os.environ
) -> ModelCache | None:
    """The cache of a service's models, or None if there is no folder for it."""
    folder = cache_folder(environment)
    return None if folder is None else ModelCache(folder, service)


class ModelCatalog:
    """Finds a model's inputs; usable wherever a ``FindModel`` is wanted.

    Args:
        read: Asks the service, blocking; None if it must not be asked.
        cache: Earlier answers, or None.
        now: The time, in UTC.
        is_fresh: Ask the service even if its answer of today is cached.

    Attributes:
        notes: What a person should know about the tables used, one sentence each.
        put_off: Models that the service has not been asked for yet.
    """

    def __init__(
        self,
        *,
        read: ReadModel | None,
        cache: ModelCache | None,
        now: Callable[[], datetime],
        is_fresh: bool = False,
    ) -> None:
        self._kept_for = timedelta() if is_fresh else KEPT_FOR
        self._read = read
        self._cache = cache
        self._now = now
        self._found: dict[str, ModelSchema | None] = {}
        self._puts_off = False
        self.notes: list[str] = []
        self.put_off: set[str] = set()

    def put_off_asking(self) -> None:
        """Find models without a request for now, from older answers or the package.

        That is enough to see whether everything is done already.
        """
        self._puts_off = True

    def ask_now(self) -> None:
        """Ask the service from now on, also for the models that were put off."""
        self._puts_off = False
        for model_id in self.put_off:
            self._found.pop(model_id, None)
        self.put_off.clear()

    def find(self, model_id: str) -> ModelSchema | None:
        """The model's inputs, or None if they are unknown."""
        if model_id not in self._found:
            found = self._found[model_id] = self._look_up(model_id)
            if found is not None and found.unchecked:
                self.notes.append(
                    f"{model_id}: inputs of an unknown type are sent unchecked:"
                    f" {_several(list(found.unchecked))}"
                )
        return self._found[model_id]

    def _look_up(self, model_id: str) -> ModelSchema | None:
        shipped = load_shipped_model(model_id)
        kept = None if self._cache is None else self._cache.find(model_id)
        if kept is not None and timedelta() <= self._now() - kept[1] < self._kept_for:
            schema = _parse(kept[0], "live", kept[1])
            if schema is not None:
                return self._compared(shipped, schema)
        why = "the service was not asked"
        if self._read is not None and self._puts_off:
            self.put_off.add(model_id)
            return (None if kept is None else _parse(kept[0], "cached", kept[1])) or (
                shipped
            )
        if self._read is not None:
            try:
                record = self._read(model_id)
            except (JobError, RunError) as error:
                why = error.message
            else:
                if record is None:
                    return self._unknown(model_id, shipped)
                schema = _parse(record, "live", self._now())
                if schema is not None and schema.model_id == model_id:
                    if self._cache is not None:
                        self._cache.keep(model_id, record, self._now())
                    return self._compared(shipped, schema)
                why = "the service's record cannot be read"
        cached = None if kept is None else _parse(kept[0], "cached", kept[1])
        return self._offline(model_id, cached or shipped, why)

    def _offline(
        self, model_id: str, schema: ModelSchema | None, why: str
    ) -> ModelSchema | None:
        if schema is not None:
            self.notes.append(f"{model_id}: {why}; used {describe_source(schema)}")
        return schema

    def _unknown(
        self, model_id: str, shipped: ModelSchema | None
    ) -> ModelSchema | None:
        self.notes.append(f"{model_id}: the service does not know this model")
        return shipped

    def _compared(
        self, shipped: ModelSchema | None, schema: ModelSchema
    ) -> ModelSchema:
        differences = [] if shipped is None else find_drift(shipped, schema)
        if differences:
            self.notes.append(
                f"{schema.model_id}: used the service's table, which differs from the"
                f" one shipped with this version: {_several(differences)}"
            )
        return schema


def _several(texts: list[str]) -> str:
    shown = "; ".join(text[:_LONGEST_TEXT] for text in texts[:_DIFFERENCES_SHOWN])
    more = len(texts) - _DIFFERENCES_SHOWN
    return shown + (f"; and {more:,} more" if more > 0 else "")


def describe_source(schema: ModelSchema) -> str:
    """Where a table is from, and when: ``the table shipped with this version``."""
    if schema.read_at is None:
        return "the table shipped with this version"
    moment = f"{schema.read_at:%Y-%m-%d %H:%M} UTC"
    if schema.source == "cached":
        return f"the service's table from {moment}"
    return f"the service's table, read {moment}"


def find_drift(shipped: ModelSchema, live: ModelSchema) -> list[str]:
    """Where the service's table contradicts or extends the shipped one."""
    found = [f"no input '{n}'" for n in shipped.inputs if n not in live.inputs]
    found += [f"new input '{n}'" for n in live.inputs if n not in shipped.inputs]
    for name, ours in shipped.inputs.items():
        theirs = live.inputs.get(name)
        if theirs is not None:
            found += _differences(ours, theirs)
    return found


def _differences(ours: InputSchema, theirs: InputSchema) -> list[str]:
    found = []
    for field in _COMPARED:
        before, after = getattr(ours, field), getattr(theirs, field)
        if before in (None, (), "") or before == after:
            continue
        word = field.replace("_", " ")
        if field == "allowed_values":
            more = [str(value) for value in after if value not in before]
            less = [str(value) for value in before if value not in after]
            changes = [f"also takes {', '.join(more)}"] * bool(more)
            changes += [f"no longer takes {', '.join(less)}"] * bool(less and after)
            found += [f"'{ours.name}' {change}" for change in changes]
        else:
            found.append(f"'{ours.name}' {word} is {after}, not {before}")
    return found


def _parse(
    record: Mapping[str, Any], source: str, read_at: datetime
) -> ModelSchema | None:
    try:
        return replace(parse_model(record, source=source), read_at=read_at)
    except ValueError:
        return None
