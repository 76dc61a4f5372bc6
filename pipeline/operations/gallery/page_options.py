"""What a page says that neither manifest nor ledger know."""

from collections.abc import Callable

from pipeline.record import Struct


def _as_it_is(hint: str, _item_id: str) -> str:
    return hint


class PageOptions(Struct, frozen=True, kw_only=True):
    """How a page puts things.

    Attributes:
        price: What a unit costs, and the currency; or None.
        complete_hint: Makes the commands in a hint about an item complete; called in
            any thread.
    """

    price: tuple[float, str] | None = None
    complete_hint: Callable[[str, str], str] = _as_it_is
