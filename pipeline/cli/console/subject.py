"""Which of several manifests a line is about, for JSON lines and for hints."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MANIFEST: ContextVar[str] = ContextVar("manifest", default="")


@contextmanager
def about(manifest: str) -> Iterator[None]:
    """Print what the block prints as being about one of several manifests.

    Args:
        manifest: Its path, as the user gave it.
    """
    token = _MANIFEST.set(manifest)
    try:
        yield
    finally:
        _MANIFEST.reset(token)


def current_manifest() -> str:
    """The manifest that is printed about; "" for the only one, or for all."""
    return _MANIFEST.get()
