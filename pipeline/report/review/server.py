"""ReviewServer: an application on an address of this machine."""

from aiohttp import web

SHUTDOWN_S = 1.0


class ReviewServer:
    """Serves an application.

    Args:
        app: The application.
        host: The address to listen on.
        port: 0 takes a free one.
    """

    def __init__(self, app: web.Application, *, host: str, port: int) -> None:
        self._runner = web.AppRunner(
            app,
            access_log=None,  # it would write the token down
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_S,
        )
        self._address = host, port

    @property
    def origin(self) -> str:
        """``http://HOST:PORT``, once it is started."""
        host, port = self._address[0], self._runner.addresses[0][1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: It cannot listen there.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all connections."""
        await self._runner.cleanup()
