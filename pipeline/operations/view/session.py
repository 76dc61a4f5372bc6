"""ViewSession: serves the desks until it is stopped."""

import secrets
from collections.abc import Callable, Sequence

import anyio

from pipeline.clock import Clock
from pipeline.errors import PRECEDENCE, ExitCode, UsageError
from pipeline.operations.view.desk import ManifestDesk
from pipeline.report.gallery.page import page_files, viewer_files
from pipeline.report.review.app import ReviewApp, slugs_of
from pipeline.report.review.server import ReviewServer

_TOKEN_BYTES = 24
_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class ViewSession:
    """Serves manifests on one address.

    Args:
        desks: One for each manifest.
        host: The address to listen on.
        port: 0 takes a free one.
        clock: The source of time.
        token: The first part of every path; "" for a random one.
    """

    def __init__(
        self,
        desks: Sequence[ManifestDesk],
        *,
        host: str,
        port: int,
        clock: Clock,
        token: str = "",
    ) -> None:
        self._desks = desks
        self._address = host, port
        self._clock = clock
        self._token = token or secrets.token_urlsafe(_TOKEN_BYTES)
        self._redos = [desk.redos for desk in desks if desk.redos is not None]
        self._stopped = anyio.Event()

    async def serve(self, on_ready: Callable[[str], None]) -> ExitCode:
        """Serve until :meth:`stop`, and until what is paid for is collected.

        Args:
            on_ready: Called once with the URL.

        Returns:
            The exit code of the runs that the stop has ended; else OK.

        Raises:
            PipelineError: A manifest cannot be read, or the address not be used.
        """
        host, port = self._address
        slugs = slugs_of([desk.name for desk in self._desks])
        by_slug = dict(zip(slugs, self._desks, strict=True))
        for desk in self._desks:
            desk.others = tuple((one.name, f"../{s}/") for s, one in by_slug.items())
        review = ReviewApp(
            by_slug,
            _parts(),
            token=self._token,
            host=host,
            clock=self._clock,
        )
        server = ReviewServer(review.build(), host=host, port=port)
        try:
            await server.start()
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}, port {port}: {error.strerror or error}",
                hint="choose another port: --port N, or --port 0 for a free one",
            ) from error
        try:
            on_ready(f"{server.origin}/{self._token}/")
            async with anyio.create_task_group() as watchers:
                for desk in self._desks:
                    watchers.start_soon(desk.watch)
                    watchers.start_soon(desk.follow)
                async with anyio.create_task_group() as workers:
                    for redos in self._redos:
                        workers.start_soon(redos.work)
                    await self._stopped.wait()
                watchers.cancel_scope.cancel()
        finally:
            review.streams.end()
            await server.stop()
            for desk in self._desks:
                await desk.close()
        codes = [redos.exit_code for redos in self._redos]
        gravest = (code for code in PRECEDENCE if code in codes)
        return next(gravest, max(codes, default=ExitCode.OK))

    def stop(self) -> float:
        """Stop serving once what is paid for is collected.

        Returns:
            The longest time that this takes, in seconds; 0 if there is nothing.
        """
        self._stopped.set()
        return max((redos.stop() for redos in self._redos), default=0.0)

    def abandon(self) -> None:
        """Leave at once; the ledgers know which jobs are in flight."""
        for redos in self._redos:
            redos.abandon()

    @property
    def in_flight(self) -> int:
        """How many jobs the service is working on."""
        return sum(redos.in_flight for redos in self._redos)


def _parts() -> dict[str, tuple[bytes, str]]:
    """The scripts and styles of every page, and the viewer of 3D models."""
    return {
        name: (content, _media_type_of(name))
        for name, content in {**page_files(), **viewer_files()}.items()
    }


def _media_type_of(name: str) -> str:
    ending = next((one for one in _MEDIA_TYPES if name.endswith(one)), "")
    return _MEDIA_TYPES.get(ending, "text/plain; charset=utf-8")
