"""Connection: credentials → the service and its CDN, opened when first needed.

What needs nothing from the service opens nothing: no session, no emulator.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio.from_thread

from pipeline.api.interface import FileTransfer, GenerationApi
from pipeline.api.rate_limiter import rate_limiter_of
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.errors import OutputError, Unavailable, UsageError
from pipeline.models.catalog import ModelCache, ModelCatalog, cache_folder
from pipeline.output.names import EMULATOR_FILES_NAME, EMULATOR_STATE_NAME
from pipeline.running.session import Session
from pipeline.settings import (
    BASE_URL_VARIABLE,
    EMULATOR_NAME,
    Credentials,
    Service,
    Settings,
    find_credentials,
    load_dotenv,
    load_keyring,
)
from pipeline.stages.identity import Identity
from pipeline.storage.regular_file import check_own


def service_of(
    environment: Mapping[str, str],
    *,
    emulate: bool,
    credentials: Credentials | None = None,
) -> tuple[Service, Credentials | None]:
    """Which service to use, and the credentials for it; None for the emulator.

    Args:
        environment: Of the process, read when no credentials are given.
        emulate: Whether to use the emulator.
        credentials: Given by the caller, or None.

    Raises:
        UsageError: No credentials, or a base URL that is not safe.
    """
    if emulate:
        return Service(base_url=EMULATOR_NAME, project_id=""), None
    credentials = credentials or find_credentials(
        environment, load_dotenv(Path()), load_keyring
    )
    service = Service(base_url=credentials.base_url, project_id=credentials.project_id)
    return service, credentials


def notes_on(service: Service, environment: Mapping[str, str]) -> list[str]:
    """What a person should know of how the service was chosen; may be empty.

    Args:
        service: Which one it is.
        environment: Of the process.
    """
    named = environment.get(BASE_URL_VARIABLE, "").strip().rstrip("/")
    if not named or service.is_emulated or service.base_url in {"", named}:
        return []
    text = f"{BASE_URL_VARIABLE} of the environment ({named}) is not used: the key is"
    return [f"{text} not from there, and belongs to {service.base_url}"]


class Connection:
    """The service and its CDN; an async context manager that opens nothing itself.

    Args:
        credentials: Who we are; None for the emulator, which is then started here.
        settings: Rate and timeouts.
        clock: Whose time is spent.
        service: Which service the credentials are for.
        offline: Never to be opened: models are known from the cache or the package.
        is_fresh: Have models read anew, though they are in the cache.

    Attributes:
        service: As given.
        catalog: What is known of models.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        settings: Settings,
        clock: Clock,
        *,
        service: Service,
        offline: bool = False,
        is_fresh: bool = False,
    ) -> None:
        self.service = service
        self._credentials = credentials
        self._settings = settings
        self._clock = clock
        self._stack = AsyncExitStack()
        self._opened: tuple[GenerationApi, FileTransfer] | None = None
        if service.is_emulated:
            self.catalog = _catalog_of_emulator(clock)
        else:
            self.catalog = ModelCatalog(
                read=None if offline else self._read_model,
                cache=ModelCache(cache_folder(), service),
                now=clock.utc_now,
                is_fresh=is_fresh,
            )

    @property
    def key_digest(self) -> str:
        """Of the API key in use; "" with the emulator, which takes any."""
        return self._credentials.key_digest if self._credentials else ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def open(
        self, emulator_state: Path | None = None
    ) -> tuple[GenerationApi, FileTransfer]:
        """The service and its CDN, the same ones each time.

        Args:
            emulator_state: Where the emulator keeps its state, if it is started.

        Raises:
            OutputError: Its state is a link that leads outside, or damaged.
        """
        if self._opened is None:
            from pipeline.api.cdn import HttpTransfer  # noqa: PLC0415 - aiohttp, 250 ms
            from pipeline.api.client import HttpApi  # noqa: PLC0415

            credentials = self._credentials
            # The emulator of this process has no past, and nobody else asks it.
            is_shared = credentials is not None
            if credentials is None:
                credentials = await self._start_emulator(emulator_state)
            rate_limiter = rate_limiter_of(
                credentials, self._settings, self._clock, is_shared=is_shared
            )
            self._opened = (
                await self._stack.enter_async_context(
                    HttpApi(
                        credentials,
                        self._settings,
                        self._clock,
                        rate_limiter=rate_limiter,
                    )
                ),
                await self._stack.enter_async_context(
                    HttpTransfer(self._settings, loopback=credentials.is_loopback)
                ),
            )
        return self._opened

    async def open_session(self, emulator_state: Path | None = None) -> Session:
        """A session for runs on this connection.

        Args:
            emulator_state: As for :meth:`open`.

        Raises:
            OutputError: As :meth:`open`.
        """
        api, transfer = await self.open(emulator_state)
        identity = Identity(self.service, key_digest=self.key_digest)
        return Session(api, transfer, self._clock, self._settings, identity)

    def _read_model(self, model_id: str) -> Mapping[str, Any] | None:
        """Ask the service, from a thread that this event loop has started.

        Raises:
            Unavailable: It does not answer, or the loop itself asks in mid-run.
        """
        if _is_on_event_loop():
            raise Unavailable("a run under way does not ask for tables")
        return anyio.from_thread.run(self._read_model_here, model_id)

    async def _read_model_here(self, model_id: str) -> Mapping[str, Any] | None:
        api, _ = await self.open()
        return await retry_free(
            lambda: api.find_model(model_id),
            clock=self._clock,
            deadline_s=self._settings.model_deadline_s,
        )

    async def _start_emulator(self, state: Path | None) -> Credentials:
        from pipeline.emulator.web.server import Emulator  # noqa: PLC0415 - aiohttp

        if state is not None:
            check_own(state)
            check_own(state.with_name(EMULATOR_FILES_NAME), is_folder=True)
        try:
            emulator = await self._stack.enter_async_context(
                Emulator(clock=self._clock, state_file=state)
            )
        except _UNUSABLE_STATE as error:
            if state is None:
                raise
            raise OutputError(
                f"{state}, the emulator's state, cannot be used:"
                f" {type(error).__name__} {error}",
                hint="move it away, with the folder beside it, and run again",
            ) from error
        return Credentials(
            key="emulated",
            secret="emulated",  # noqa: S106 - the emulator takes any
            base_url=emulator.base_url,
        )


@asynccontextmanager
async def connected(
    credentials: Credentials | None, settings: Settings, clock: Clock, output: Path
) -> AsyncIterator[tuple[GenerationApi, FileTransfer]]:
    """The service and its CDN; the emulator's, started here, without credentials."""
    service = Service(base_url=credentials.base_url if credentials else EMULATOR_NAME)
    async with Connection(credentials, settings, clock, service=service) as connection:
        yield await connection.open(output / EMULATOR_STATE_NAME)


def offline_catalog(clock: Clock, environment: Mapping[str, str]) -> ModelCatalog:
    """What is known of models without asking: cached for these credentials, or shipped.

    Args:
        clock: To tell how old a cached table is.
        environment: Of the process: it names the service.
    """
    try:
        service, _ = service_of(environment, emulate=False)
    except UsageError:
        return ModelCatalog(read=None, cache=None, now=clock.utc_now)
    cache = ModelCache(cache_folder(), service)
    return ModelCatalog(read=None, cache=cache, now=clock.utc_now)


# What lines that the emulator did not write may lead to.
_UNUSABLE_STATE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
)


def _is_on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _catalog_of_emulator(clock: Clock) -> ModelCatalog:
    """What the emulator would answer, without starting it."""
    from pipeline.emulator.model_records import load_models  # noqa: PLC0415
    from pipeline.emulator.profile import EmulatorProfile  # noqa: PLC0415

    profile = EmulatorProfile()
    models = load_models(profile.jobs, profile.money)

    def read(model_id: str) -> Mapping[str, Any] | None:
        return models[model_id].record if model_id in models else None

    return ModelCatalog(read=read, cache=None, now=clock.utc_now)
