"""Connection: credentials → the service and its CDN, opened when first needed.

A command that does not need the service opens no connection and starts no emulator.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio.from_thread

from pipeline.activity import Activity
from pipeline.api.interface import FileTransfer, GenerationApi, JobFilter
from pipeline.api.rate_limiter import rate_limiter_of
from pipeline.api.retry import retry_free
from pipeline.clock import Clock
from pipeline.errors import (
    AccessDenied,
    OutputError,
    PipelineError,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
    UsageError,
)
from pipeline.executors.choice import parse_executor
from pipeline.executors.opening import open_executor
from pipeline.models.catalog import ModelCatalog, find_cache
from pipeline.output.names import EMULATOR_FILES_NAME, EMULATOR_STATE_NAME
from pipeline.running.session import Session
from pipeline.running.shared_requests import SharedRequests
from pipeline.settings import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    EMULATOR_NAME,
    KEY_VARIABLE,
    SECRET_VARIABLE,
    Credentials,
    MissingCredentials,
    Service,
    Settings,
    find_credentials,
    load_dotenv,
    load_keyring,
    names_any_credential,
)
from pipeline.stages.identity import Identity
from pipeline.storage.regular_file import check_own
from pipeline.storage.store import Store

API_PATH = "/v1"
NOT_FOUND = 404


def service_of(
    environment: Mapping[str, str],
    *,
    emulate: bool,
    credentials: Credentials | None = None,
) -> tuple[Service, Credentials | None]:
    """Which service to use, and the credentials for it; None for the emulator.

    Args:
        environment: The process environment, read when no credentials are given.
        emulate: Whether to use the emulator.
        credentials: The caller's credentials, or None.

    Raises:
        UsageError: There are no credentials, or the base URL is not safe.
    """
    if emulate:
        return Service(base_url=EMULATOR_NAME, project_id=""), None
    if credentials is None:
        credentials = find_credentials(
            environment, _dotenv_beside(environment), load_keyring
        )
    service = Service(base_url=credentials.base_url, project_id=credentials.project_id)
    return service, credentials


def _dotenv_beside(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of ``.env``; none if it is unreadable and not needed."""
    try:
        return load_dotenv(Path())
    except UsageError:
        if not names_any_credential(environment):
            raise
        return {}


def notes_on(service: Service, environment: Mapping[str, str]) -> list[str]:
    """What the user should know about the choice of the service; may be empty.

    Args:
        service: The service that was chosen.
        environment: The process environment.
    """
    named = environment.get(BASE_URL_VARIABLE, "").strip().rstrip("/")
    if not named or service.is_emulated or service.base_url in {"", named}:
        return []
    text = f"{BASE_URL_VARIABLE} of the environment ({named}) is ignored: the API key"
    return [f"{text} comes from elsewhere, and belongs to {service.base_url}"]


def wrong_address(base_url: str, error: PipelineError) -> UsageError | None:
    """The error to report if the API's list of jobs shows that there is no API.

    Args:
        base_url: The address of the request.
        error: The result of listing the jobs.

    Returns:
        None if the error has another cause.
    """
    is_missing = isinstance(error, Rejected) and error.status == NOT_FOUND
    # Outside of its API, Scenario's own host rejects every key.
    is_outside = not base_url.endswith(API_PATH) and DEFAULT_BASE_URL.startswith(
        base_url
    )
    is_refused = is_outside and isinstance(error, AccessDenied)
    if not (is_missing or is_refused or isinstance(error, UnexpectedAnswer)):
        return None
    hint = f"check {BASE_URL_VARIABLE}; Scenario's own is {DEFAULT_BASE_URL}"
    if not base_url.endswith(API_PATH):
        hint = f"set {BASE_URL_VARIABLE} to {base_url}{API_PATH}"
    return UsageError(
        f"{base_url} is not the address of the Scenario API: {error.message}", hint=hint
    )


class Connection:
    """The service and its CDN; an async context manager, opened by :meth:`open`.

    Args:
        credentials: Our credentials; None to start the emulator.
        settings: The request rate and timeouts.
        clock: The clock to use.
        service: The service that the credentials are for.
        offline: Never open the connection: models come from the cache or the package.
        is_fresh: Read models from the service even if they are cached.
        activity: Is told of each request, to be shown.

    Attributes:
        activity: What is done with the connection now.
        service: As given.
        catalog: The inputs of the service's models.
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
        activity: Activity | None = None,
    ) -> None:
        self.activity = activity or Activity(clock)
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
                cache=find_cache(service),
                now=clock.utc_now,
                is_fresh=is_fresh,
            )

    @property
    def key_digest(self) -> str:
        """The digest of the API key in use; "" with the emulator, which accepts any."""
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
        """The service and its CDN; opened by the first call.

        Args:
            emulator_state: The emulator's state file, if the emulator is started.

        Raises:
            OutputError: The emulator's state is damaged, or a link out of the folder.
        """
        if self._opened is None:
            from pipeline.api.cdn import HttpTransfer  # noqa: PLC0415 - aiohttp, 250 ms
            from pipeline.api.client import HttpApi  # noqa: PLC0415

            credentials = self._credentials
            if credentials is None and not self.service.is_emulated:
                raise MissingCredentials(
                    "no credentials for what is to be done meanwhile",
                    hint=f"set {KEY_VARIABLE} and {SECRET_VARIABLE}, then run again",
                )
            # No other process uses the emulator of this one.
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
                        activity=self.activity,
                    )
                ),
                await self._stack.enter_async_context(
                    HttpTransfer(
                        self._settings,
                        loopback=credentials.is_loopback,
                        activity=self.activity,
                    )
                ),
            )
        return self._opened

    async def open_to_read(
        self, emulator_state: Path
    ) -> tuple[GenerationApi, FileTransfer]:
        """As :meth:`open`, with an emulator that knows its state but changes nothing.

        Args:
            emulator_state: The file, which need not exist.
        """
        if self._credentials is not None:
            return await self.open()
        folder = Path(tempfile.mkdtemp(prefix="pipeline-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return await self.open(
            await anyio.to_thread.run_sync(_copy_state, emulator_state, folder)
        )

    async def check_address(self) -> None:
        """Refuse an address that is not the API's, before any folder is bound to it.

        A request is sent only if the address does not end with ``/v1``.

        Raises:
            UsageError: Something else answers at the address.
        """
        credentials = self._credentials
        if credentials is None or credentials.base_url.endswith(API_PATH):
            return
        api, _ = await self.open()
        try:
            await api.list_jobs(JobFilter(updated_after=api.service_now()))
        except PipelineError as error:
            if (wrong := wrong_address(credentials.base_url, error)) is not None:
                raise wrong from error

    async def open_session(
        self,
        emulator_state: Path | None = None,
        *,
        stores: Sequence[Store] = (),
        max_cost: Decimal | None = None,
        requests: SharedRequests | None = None,
    ) -> Session:
        """A session for runs on this connection.

        Args:
            emulator_state: As for :meth:`open`.
            stores: Where the files of the runs go.
            max_cost: What all runs may cost together, or None.
            requests: What several manifests ask for; None if there is one manifest.

        Raises:
            OutputError: As for :meth:`open`.
            UsageError: The workers that were asked for cannot be used.
        """
        api, transfer = await self.open(emulator_state)
        choice = parse_executor(self._settings.executor)
        if not choice.is_here:
            self.activity.begin("connecting to the workers")
        executor = await self._stack.enter_async_context(
            open_executor(
                choice,
                self._settings,
                loopback=self._is_loopback,
                warn=lambda message: session.warn(message),  # noqa: PLW0108 - made below
            )
        )
        if executor is not None:
            await executor.check(stores)
        identity = Identity(self.service, key_digest=self.key_digest)
        session = Session(
            api,
            transfer,
            self._clock,
            self._settings,
            identity,
            activity=self.activity,
            max_cost=max_cost,
            requests=requests,
            executor=executor,
        )
        return session

    @property
    def _is_loopback(self) -> bool:
        return self._credentials is None or self._credentials.is_loopback

    def _read_model(self, model_id: str) -> Mapping[str, Any] | None:
        """Read a model from the service; call it from a thread of this event loop.

        Raises:
            Unavailable: The service does not answer, or the event loop itself calls.
        """
        if _is_on_event_loop():
            raise Unavailable("a run in progress does not read models")
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
                hint="move it and the folder beside it away, then run again",
            ) from error
        return Credentials(
            key="emulated",
            secret="emulated",  # noqa: S106 - the emulator accepts any
            base_url=emulator.base_url,
        )


def _copy_state(state: Path, folder: Path) -> Path:
    """Copy an emulator's state file, if there is one; returns the path of the copy."""
    copy = folder / state.name
    files = state.with_name(EMULATOR_FILES_NAME)
    if state.is_file():
        shutil.copyfile(state, copy)
    if files.is_dir():
        shutil.copytree(files, folder / EMULATOR_FILES_NAME)
    return copy


@asynccontextmanager
async def connected(
    credentials: Credentials | None,
    settings: Settings,
    clock: Clock,
    output: Path,
    *,
    activity: Activity | None = None,
) -> AsyncIterator[tuple[GenerationApi, FileTransfer]]:
    """The service and its CDN; without credentials, starts the emulator."""
    service = Service(base_url=credentials.base_url if credentials else EMULATOR_NAME)
    async with Connection(
        credentials, settings, clock, service=service, activity=activity
    ) as connection:
        yield await connection.open(output / EMULATOR_STATE_NAME)


def offline_catalog(clock: Clock, environment: Mapping[str, str]) -> ModelCatalog:
    """The models known without a request: cached for these credentials, or shipped.

    Args:
        clock: For the age of cached models.
        environment: The process environment, which names the service.
    """
    try:
        service, _ = service_of(environment, emulate=False)
    except UsageError:
        return ModelCatalog(read=None, cache=None, now=clock.utc_now)
    return ModelCatalog(read=None, cache=find_cache(service), now=clock.utc_now)


# The errors that a state file may cause if the emulator did not write it.
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
    """The emulator's models, without starting it."""
    from pipeline.emulator.model_records import load_models  # noqa: PLC0415
    from pipeline.emulator.profile import EmulatorProfile  # noqa: PLC0415

    profile = EmulatorProfile()
    models = load_models(profile.jobs, profile.money)

    def read(model_id: str) -> Mapping[str, Any] | None:
        return models[model_id].record if model_id in models else None

    return ModelCatalog(read=read, cache=None, now=clock.utc_now)
