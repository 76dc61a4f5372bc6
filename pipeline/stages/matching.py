"""Lost submits and unowned jobs → which job belongs to which submit. Pure.

Submits with the same request are interchangeable, and so are jobs that the service
shows with the same inputs. Apart from that nothing is guessed: if two submits have an
equal claim to a job, neither gets it.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Lost = TypeVar("Lost")
Found = TypeVar("Found")

Score = Callable[[Lost, Found], int | None]


def match(
    lost: Sequence[Lost],
    found: Sequence[Found],
    *,
    score: Score[Lost, Found],
    asks_for: Callable[[Lost], Hashable],
    shows: Callable[[Found], Hashable],
) -> list[tuple[Lost, Found]]:
    """The best assignment, as far as it is unambiguous.

    Args:
        lost: Submits without a known job.
        found: Jobs that no submit owns.
        score: How well the two agree, from 0 (nothing is known) up; None if the job
            cannot belong to the submit.
        asks_for: A key that is equal for interchangeable submits.
        shows: A key that is equal for interchangeable jobs.

    Returns:
        Pairs; each submit and each job is in at most one.
    """
    groups: defaultdict[Hashable, list[Lost]] = defaultdict(list)
    for one in lost:
        groups[asks_for(one)].append(one)
    known: dict[tuple[int, int], int | None] = {}

    def score_once(one: Lost, job: Found) -> int | None:
        pair = (id(one), id(job))
        if pair not in known:
            known[pair] = score(one, job)
        return known[pair]

    free = list(found)
    pairs: list[tuple[Lost, Found]] = []
    progress = True
    while progress and free:
        progress = False
        for key, claimed in _claims(groups, free, score_once).items():
            chosen = _choose(claimed, len(groups[key]), shows)
            for job in chosen:
                best = max(groups[key], key=lambda one: _rank(score_once(one, job)))
                pairs.append((best, job))
                groups[key].remove(best)
                free.remove(job)
                progress = True
            if not groups[key]:
                del groups[key]
    return pairs


def _claims(
    groups: Mapping[Hashable, Sequence[Lost]],
    free: Sequence[Found],
    score: Score[Lost, Found],
) -> dict[Hashable, list[tuple[int, Found]]]:
    """For each group, the jobs that fit it better than any other group."""
    claims: defaultdict[Hashable, list[tuple[int, Found]]] = defaultdict(list)
    for job in free:
        best, second, owner = -1, -1, None
        for key, members in groups.items():
            points = max(_rank(score(one, job)) for one in members)
            if points > best:
                best, second, owner = points, best, key
            elif points > second:
                second = points
        if best > second:
            claims[owner].append((best, job))
    return claims


def _choose(
    claimed: Sequence[tuple[int, Found]],
    count: int,
    shows: Callable[[Found], Hashable],
) -> list[Found]:
    """The best ``count`` of a group's jobs, without those that tie at the cut-off."""
    ordered = sorted(claimed, key=lambda pair: pair[0], reverse=True)
    if len(ordered) <= count:
        return [job for _, job in ordered]
    last_in, first_out = ordered[count - 1][0], ordered[count][0]
    if last_in > first_out:
        return [job for _, job in ordered[:count]]
    tied = [job for points, job in ordered if points == last_in]
    if last_in > 0 and len({shows(job) for job in tied}) == 1:
        return [job for _, job in ordered[:count]]
    return [job for points, job in ordered if points > last_in]


def _rank(points: int | None) -> int:
    return -1 if points is None else points
