"""What every part of one plan reads: the manifest, the ledger and the files."""

from pipeline.job import Item, Job
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest
from pipeline.manifest.review import ItemReview
from pipeline.naming import is_step
from pipeline.planning.decision import Presence
from pipeline.planning.presence import find_presence
from pipeline.planning.selection import Selection
from pipeline.planning.takes import find_finished
from pipeline.storage.store import Store


class Context:
    """What every part of one plan reads.

    Args:
        manifest: The manifest to plan.
        store: Where the files are.
        ledger: The output folder's ledger; None if there is none.
        selection: Which items the command applies to.

    Attributes:
        is_counted: Whether every item has been seen once. From then on the plan is
            carried out: nothing more is noted, and what was decided stays.
    """

    def __init__(
        self,
        manifest: Manifest,
        store: Store,
        *,
        ledger: Ledger | None,
        selection: Selection,
    ) -> None:
        self.manifest = manifest
        self.store = store
        self.ledger = ledger
        self.selection = selection
        self.is_counted = False

    def find_jobs_of(self, item_id: str) -> list[Job]:
        """The attempts of an item, newest first."""
        return [] if self.ledger is None else self.ledger.find_jobs_of(item_id)

    def find_finished(self, item: Item) -> tuple[Job, ...]:
        """The newest job with files of each step of an item."""
        if self.ledger is None or not (item.has_steps or is_step(item.item_id)):
            return ()
        return find_finished(self.ledger, item.base)

    def review_of(self, item: Item) -> ItemReview:
        """The decisions about the takes of an item."""
        return self.manifest.review.of_item(item)

    def find_presence(self, job: Job, *, recipe: str | None = None) -> Presence:
        """Whether the files of a SAVED job are in place.

        Args:
            job: SAVED.
            recipe: As its item wants the files to be saved now; None if that does not
                matter.
        """
        by_hash = self.selection.verify
        return find_presence(self.store, job, recipe=recipe, by_hash=by_hash)
