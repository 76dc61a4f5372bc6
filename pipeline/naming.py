"""Names derived from item ids: the job ids of takes and steps, and their files' stems.

An item id holds letters, digits and ``._-/`` alone, so a name with ``@`` or ``+`` can
belong to no other item. Take 1, and what comes before the first step, have the item's
own id: more takes or steps change nothing about it. Pure.
"""

import re

from pipeline.job import KEPT_MARK

TAKE_MARK = "@"  # between an item's id and the number of a take
STEP_MARK = "+"  # between an item's id and the name of a step
MAX_TAKES = 100  # of one item in a manifest

_TAKE = re.compile(r"(?P<base>.+)@(?P<take>[1-9][0-9]*)", re.DOTALL)
# What follows the stem in the name of a file: role, number, age, ending.
_NUMBER = re.compile(r"-\d+")
_REST = re.compile(r"(\.preview)?(-\d+)?(\.old-\d+(_\d+)?)?\.[A-Za-z0-9]+")


def take_id(base_id: str, take: int) -> str:
    """The job id of a take: ``hero`` for the first, ``hero@2`` for the second."""
    return base_id if take == 1 else numbered_stem(base_id, take)


def numbered_stem(base_id: str, take: int) -> str:
    """The stem of a take that is not the chosen one, such as ``hero@1``."""
    return f"{base_id}{TAKE_MARK}{take}"


def split_take(job_id: str) -> tuple[str, int]:
    """The item's id and the number of the take; the inverse of :func:`take_id`."""
    found = _TAKE.fullmatch(job_id)
    return (found["base"], int(found["take"])) if found else (job_id, 1)


def step_id(base_id: str, name: str) -> str:
    """The job id of a step: ``hero+cut``."""
    return f"{base_id}{STEP_MARK}{name}"


def is_step(job_id: str) -> bool:
    """Whether a job is a step of an item."""
    return STEP_MARK in job_id


def item_of(job_id: str) -> str:
    """The id of the item that a job belongs to, as the user wrote it."""
    return split_take(job_id.partition(STEP_MARK)[0])[0]


def stems_of(job_id: str) -> tuple[str, str]:
    """The stems that files of a job may have: its own, and the item's."""
    item_id, mark, _ = job_id.partition(STEP_MARK)
    if mark:
        return job_id, item_id
    base, take = split_take(job_id)
    return numbered_stem(base, take), base


def split_stem(path: str, job_id: str) -> tuple[str, str] | None:
    """The stem of a job's file, and the rest of its name; None if it has neither stem.

    Args:
        path: Relative to the output folder.
        job_id: The job that made it.
    """
    for stem in stems_of(job_id):
        if path.startswith(stem) and _REST.fullmatch(path, len(stem)):
            return stem, path[len(stem) :]
    return None


def wanted_path(
    path: str, job_id: str, stem: str, *, output: int, count: int, chosen_output: int
) -> str | None:
    """The name that a job's file is to have; None if it is not named after its job.

    Args:
        path: Its name now.
        job_id: The job that made it.
        stem: The stem that the job's files are to have.
        output: The number of the output, from 1.
        count: How many files the job has.
        chosen_output: With ``choose: one``, the number of the output that has the
            item's own name if the take is the chosen one; else 0.
    """
    found = split_stem(path, job_id)
    if found is None:
        return None
    number, ending = _split_number(found[1])
    base, take = split_take(job_id)
    if not chosen_output:
        return f"{stem}-{output}{ending}" if count > 1 else stem + number + ending
    if stem == base and output == chosen_output:
        return base + ending
    return f"{numbered_stem(base, take)}-{output}{ending}"


def _split_number(rest: str) -> tuple[str, str]:
    found = _NUMBER.match(rest)
    return (found.group(), rest[found.end() :]) if found else ("", rest)


def is_kept(path: str, job_id: str) -> bool:
    """Whether a job's file is an old one that was kept, such as ``oak.old-1.png``."""
    found = split_stem(path, job_id)
    return KEPT_MARK in (found[1] if found else path[len(job_id) :])
