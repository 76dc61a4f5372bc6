"""Records of public models → what people choose by: kind, files, price, plan. Pure."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.models.record import KINDS, is_lora, output_kinds, parse_model
from pipeline.record import Struct

LORA = "lora"
CHOICES = (*KINDS, LORA)
# Scenario API sheet, section 9.
_PLANS: Mapping[float, str] = {
    0: "free",
    25: "starter",
    50: "pro",
    75: "max",
    100: "enterprise",
}
# What is kept of the record of a list.
_KEPT = ("id", "name", "type", "custom", "capabilities", "accessRestrictions", "tags")


class FileInput(Struct, frozen=True, kw_only=True):
    """An input that takes files.

    Attributes:
        name: Its name.
        kind: The kind of file, or "" for several kinds.
        is_list: Whether it takes several files.
    """

    name: str
    kind: str
    is_list: bool


class PublicModel(Struct, frozen=True, kw_only=True):
    """One public model.

    Attributes:
        model_id: The service's id.
        name: Its name.
        kinds: What it makes, of ``KINDS``; empty if that is not known.
        is_lora: Whether it is used with a base model, and not by itself.
        plan: The smallest plan that may use it; "" if the service does not say.
        files: The inputs that take files; None if its inputs are not known.
        least_units: The lowest price of one output that the service has seen, or None.
        most_units: The highest.
    """

    model_id: str
    name: str
    kinds: tuple[str, ...]
    is_lora: bool
    plan: str
    files: tuple[FileInput, ...] | None = None
    least_units: float | None = None
    most_units: float | None = None


def slim(record: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a list's record that is worth keeping."""
    return {key: record[key] for key in _KEPT if key in record}


def read_public(record: Mapping[str, Any]) -> PublicModel:
    """Read a record of a list, or of one model, which alone has inputs.

    Args:
        record: With an ``id`` that is text; anything else may be missing or odd.
    """
    name, level = record.get("name"), _number(record.get("accessRestrictions"))
    prices = [*_prices(record)]
    return PublicModel(
        model_id=record["id"],
        name=name if isinstance(name, str) and name else record["id"],
        kinds=output_kinds(record),
        is_lora=is_lora(record),
        plan="" if level is None else _PLANS.get(level, f"{level:g}"),
        files=_files(record),
        least_units=min(prices, default=None),
        most_units=max(prices, default=None),
    )


def choose(
    records: Iterable[Mapping[str, Any]], *, query: str, kind: str
) -> list[PublicModel]:
    """The models that are asked for, sorted by id.

    Args:
        records: Of a list.
        query: Words that the id, the name or a tag contains, in any case and order.
        kind: One of ``CHOICES``; "" for every model that can be run by itself.
    """
    words = query.casefold().split()
    found = []
    for record in records:
        model = read_public(record)
        tags = record.get("tags")
        texts = [model.model_id, model.name, *(tags if isinstance(tags, list) else ())]
        haystack = " ".join(map(str, texts)).casefold()
        is_kind = kind in model.kinds or (not kind and not model.is_lora)
        if model.is_lora:
            is_kind = kind == LORA
        if is_kind and all(word in haystack for word in words):
            found.append(model)
    return sorted(found, key=lambda model: model.model_id)


def _files(record: Mapping[str, Any]) -> tuple[FileInput, ...] | None:
    try:
        schema = parse_model(record, source="live")
    except ValueError:
        return None
    return tuple(
        FileInput(name=one.name, kind=one.kind, is_list=one.is_array)
        for one in schema.inputs.values()
        if one.is_file
    )


def _prices(record: Mapping[str, Any]) -> Iterable[float]:
    """What one output has cost, by the service's statistics."""
    statistics = record.get("performanceStats")
    variants = statistics.get("variants") if isinstance(statistics, Mapping) else None
    for variant in variants if isinstance(variants, list) else ():
        for key in ("costPerAssetMinCU", "costPerAssetMaxCU"):
            units = _number(variant.get(key)) if isinstance(variant, Mapping) else None
            if units is not None and 0 <= units < math.inf:
                yield units


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value
