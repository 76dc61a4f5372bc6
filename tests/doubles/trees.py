"""A workshop with two trees, and what is in it."""

import json

import pytest


def write(workshop, *pairs, extra=""):
    """Items as (id, prompt)."""
    lines = (
        f"  - {{id: {item_id}, prompt: {prompt}{extra}}}\n" for item_id, prompt in pairs
    )
    workshop.write("items:\n" + "".join(lines))


def with_sidecars(*names):
    return {f"{name}{end}" for name in names for end in ("", ".json")}


def sidecar(workshop, name):
    return json.loads((workshop.output / f"{name}.json").read_text())


def paid(workshop):
    return len(workshop.api.own_jobs)


@pytest.fixture
async def made(workshop):
    """A workshop with an oak and an elm."""
    write(workshop, ("oak", "an oak"), ("elm", "an elm"))
    await workshop.run()
    return workshop
