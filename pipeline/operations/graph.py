"""Graph: which item of a manifest needs which, and what a run would do to each."""

from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest
from pipeline.manifest.chain import outputs_in
from pipeline.output.folder import open_for_reading
from pipeline.planning import PlannedItem, Selection, make_plan
from pipeline.record import Struct
from pipeline.storage.store import Store


class Edge(Struct, frozen=True, kw_only=True):
    """One use of an item's output by another item.

    Attributes:
        parent: The item that makes the output.
        output: The number of the output, from 1.
        child: The item that uses it.
        input: The name of the input that it is used for.
    """

    parent: str
    output: int
    child: str
    input: str


class Graph(Struct, frozen=True, kw_only=True):
    """The items of a manifest that build on one another.

    Attributes:
        items: Each item that needs another or is needed, parents first.
        edges: Every use of an output, in the order of ``items``.
    """

    items: tuple[PlannedItem, ...]
    edges: tuple[Edge, ...]


def read_graph(manifest: Manifest, store: Store, *, emulate: bool) -> Graph:
    """Find which item needs which; reads the ledger, changes nothing.

    Args:
        manifest: The manifest.
        store: Where its files are.
        emulate: Whether the folder belongs to the emulator; then the lock file is
            ignored.

    Raises:
        ManifestError: The manifest has faults.
        LedgerError: The ledger cannot be read.
    """
    lock_file = find_lock_file(manifest, emulate=emulate)
    found: dict[str, PlannedItem] = {}
    with open_for_reading(
        store.home, lock_file, item_count=manifest.item_count
    ) as ledger:
        plan = make_plan(
            manifest,
            store,
            ledger=ledger,
            selection=Selection(),
        )
        for planned in plan.entries():
            if planned.item.parents or plan.lines.is_parent(planned.item.item_id):
                found[planned.item.item_id] = planned
    edges = [
        Edge(
            parent=used.item_id,
            output=used.index,
            child=planned.item.item_id,
            input=str(path[0]),
        )
        for planned in found.values()
        for path, used in outputs_in(planned.item.params)
    ]
    return Graph(items=tuple(found.values()), edges=tuple(edges))
