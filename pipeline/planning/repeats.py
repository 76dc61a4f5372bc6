"""Repeats: items that --force makes again with the seed that they were made with. Pure.

The same request with the same seed gives the same bytes: it is paid for, and nothing
changes. So the user is told before the price is agreed to.
"""

from collections.abc import Sequence

from pipeline.job import Job, JobKey, JobStatus
from pipeline.manifest import Manifest
from pipeline.planning.decision import find_same
from pipeline.record import Struct, field

_FINISHED = frozenset({JobStatus.SAVED, JobStatus.SUCCEEDED})
_IDS_NAMED = 3


class Repeats(Struct):
    """How many items repeat a finished job, and the first of them.

    Attributes:
        count: The items.
        item_ids: The first few.
    """

    count: int = 0
    item_ids: list[str] = field(default_factory=list)

    def note(
        self,
        item_id: str,
        attempts: Sequence[Job],
        keys: Sequence[tuple[JobKey, JobKey]],
        *,
        seed: int | None,
    ) -> None:
        """Count an item that will be paid for, if its result is known already.

        Args:
            item_id: The item.
            attempts: Its rows, newest first.
            keys: Job key and request key, in every form that a row may have.
            seed: The seed that will be sent; None if the model takes none.
        """
        finished = [job for job in attempts if job.status in _FINISHED]
        same = find_same(finished, keys)
        if seed is None or same is None or same.seed != seed:
            return
        self.count += 1
        if len(self.item_ids) < _IDS_NAMED:
            self.item_ids.append(item_id)

    def describe(self, manifest: Manifest) -> str:
        """A warning for the user with the way out, or ""."""
        if not self.count:
            return ""
        named = ", ".join(self.item_ids)
        more = self.count - len(self.item_ids)
        named += f" and {more:,} more" if more else ""
        return (
            f"--force makes {named} again with the same seed: that gives the same bytes"
            " and is paid for again. To get another picture, give another seed:"
            f" pipeline redo {manifest.typed} {self.item_ids[0]}"
        )
