"""A Dask cluster: what shows nothing, what is refused before the start, what goes away."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import pytest
from doubles.workers import PNG, SECRET, SETUP, Cdn, started

from pipeline.assets.least_rate import LeastRate
from pipeline.clock import SystemClock
from pipeline.errors import UsageError
from pipeline.executors import dask_cluster as client_side
from pipeline.executors import dask_worker, local_cluster
from pipeline.executors.choice import Choice
from pipeline.executors.dask_cluster import DaskCluster, open_cluster
from pipeline.executors.elsewhere import Elsewhere
from pipeline.executors.messages import Check, Outcome, decode_reply, encode
from pipeline.executors.workers import WorkerLost, WorkersGone
from pipeline.settings import Settings

pytestmark = pytest.mark.timeout(100)
CHECK = encode(Check())


@pytest.fixture
async def cdn():
    async with Cdn().serving() as serving:
        yield serving


async def test_neither_logs_nor_pages_show_a_signed_url(dask_address, cdn, tmp_path):
    import distributed

    begun, go_on = anyio.Event(), anyio.Event()

    async def wait():
        begun.set()
        await go_on.wait()

    shown = []
    async with open_cluster(Choice(scheduler=dask_address), SETUP) as cluster:
        executor = Elsewhere(cluster, warn=shown.append)
        receipts: list[Any] = []

        async def fetch():
            receipts.append(
                await executor.fetch(cdn.spec(tmp_path), LeastRate(SystemClock()))
            )

        cdn.on_read = wait
        async with (
            distributed.Client(dask_address, asynchronous=True) as watcher,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(fetch)
            await begun.wait()
            shown += await pages_of(watcher)
            shown.append(str(await watcher.call_stack(keys=[])))
            shown.append(str(await watcher.get_worker_logs()))
            shown.append(str(await watcher.get_scheduler_logs()))
            go_on.set()

    assert receipts[0].partial.read_bytes() == PNG
    assert len(shown) > 5
    assert any("fetch-" in text for text in shown)
    assert not [text for text in shown if "Signature" in text or SECRET in text]


async def pages_of(client):
    """What the dashboard shows of each worker and each task under way."""
    base_url = client.dashboard_link.replace("/status", "")
    processing = await client.processing()
    keys = [key for tasks in processing.values() for key in tasks]
    paths = ["/info/main/workers.html", "/json/identity.json", "/json/counts.json"]
    paths += [f"/info/task/{key}.html" for key in keys]
    for worker in processing:
        name = quote(worker, safe="")
        paths += [f"/info/worker/{name}.html", f"/info/call-stacks/{name}.html"]
        paths += [f"/info/logs/{name}.html"]

    def read(path):
        with urllib.request.urlopen(base_url + path, timeout=30) as answer:
            return answer.read().decode()

    assert keys
    return [await anyio.to_thread.run_sync(read, path) for path in paths]


async def test_a_local_cluster_knows_no_credential_and_may_go_away(
    cdn, monkeypatch, tmp_path
):
    """Then what is under way, and the rest, is left to this process: with a warning."""
    import distributed

    monkeypatch.setenv("SCENARIO_SDK_API_KEY", "canaryKeyOfOurs")
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # see test_main
    warnings, found = [], []
    begun = anyio.Event()

    async def hang():
        begun.set()
        await anyio.sleep_forever()

    cdn.on_read = hang
    async with open_cluster(Choice(is_local=True), SETUP) as cluster:
        executor = Elsewhere(cluster, warn=warnings.append)
        assert cluster._address.startswith("tcp://127.0.0.1:")
        async with distributed.Client(cluster._address, asynchronous=True) as client:
            names = await client.run(os.getenv, "SCENARIO_SDK_API_KEY")
            pids = list((await client.run(os.getpid)).values())
            scheduler = await client.run_on_scheduler(os.getpid)
        assert set(names.values()) == {None}
        for pid in [*pids, scheduler]:
            assert "canary" not in beginning_of(pid)

        async def fetch():
            spec = cdn.spec(tmp_path)
            found.append(await executor.fetch(spec, LeastRate(SystemClock())))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch)
            tasks.start_soon(fetch)
            await begun.wait()
            os.kill(scheduler, signal.SIGKILL)
        with pytest.raises(WorkersGone):
            await cluster.run(CHECK, started)

    assert found == [None, None]
    assert len(warnings) == 1
    assert "Dask cluster" in warnings[0]


def beginning_of(pid):
    """The environment that a process was started with, where it can be seen."""
    path = Path(f"/proc/{pid}/environ")
    return path.read_text("utf-8") if path.exists() else ""


async def test_a_scheduler_that_cannot_be_reached_is_one_clear_message(monkeypatch):
    monkeypatch.setattr(client_side, "CONNECT_S", 0.2)

    with pytest.raises(
        UsageError, match=r"tcp://127\.0\.0\.1:1 cannot be reached"
    ) as e:
        async with open_cluster(Choice(scheduler="tcp://127.0.0.1:1"), SETUP):
            pass

    assert "dask scheduler" in e.value.hint


async def test_a_server_that_is_no_scheduler_is_said_to_be_none(monkeypatch):
    async def misread(*_args, **_kwargs):  # as a length, of the bytes of an HTTP answer
        raise MemoryError("Unable to allocate 3.07 EiB")

    library = SimpleNamespace(Client=misread)
    monkeypatch.setattr(client_side, "_distributed", lambda: library)

    with pytest.raises(UsageError, match=r"127\.0\.0\.1:1 is no Dask scheduler"):
        async with open_cluster(Choice(scheduler="tcp://127.0.0.1:1"), SETUP):
            pass


async def test_a_local_cluster_that_does_not_start_is_one_clear_message(monkeypatch):
    monkeypatch.setattr(client_side, "_MODULE", "no.such.module")

    with pytest.raises(UsageError, match="No module named 'no'"):
        async with open_cluster(Choice(is_local=True), SETUP):
            pass


async def test_without_the_extra_it_is_one_clear_message(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    for choice in (Choice(is_local=True), Choice(scheduler="tcp://127.0.0.1:1")):
        with pytest.raises(UsageError, match="extra 'dask'") as raised:
            async with open_cluster(choice, SETUP):
                pass
        assert "pip install" in raised.value.hint


class FakeClient:
    """A client whose answers a test decides.

    Attributes:
        threads: By worker.
        status: As Dask names it.
    """

    def __init__(self, *, scheduler="", workers=None, result=None) -> None:
        self.threads = {"tcp://a": 2}
        self.status = "running"
        self.released = 0
        self._scheduler = scheduler or dask_worker.find_version()
        self._workers = workers or {}
        self._result = result

    async def nthreads(self):
        if isinstance(self.threads, Exception):
            raise self.threads
        return self.threads

    async def run_on_scheduler(self, _function):
        if isinstance(self._scheduler, Exception):
            raise self._scheduler
        return self._scheduler

    async def run(self, *_arguments, **_named):
        return self._workers

    def submit(self, *_arguments, key, **_named):
        assert key.startswith("fetch-")
        return self

    def __await__(self):
        async def answer():
            await anyio.lowlevel.checkpoint()
            if isinstance(self._result, Exception):
                raise self._result
            return dask_worker.Sealed(self._result)

        return answer().__await__()

    def release(self):
        self.released += 1

    async def close(self, **_named):
        self.status = "closed"


@pytest.fixture
def cluster_with(monkeypatch):
    """A cluster whose client is this one."""

    @contextlib.asynccontextmanager
    async def connect(client):
        import distributed

        async def make(*_arguments, **_named):
            return client

        monkeypatch.setattr(distributed, "Client", make)
        async with DaskCluster("tcp://a", SETUP) as cluster:
            yield cluster

    return connect


REFUSED = {
    "no package": (
        ModuleNotFoundError("No module named 'pipeline'"),
        "No module named",
    ),
    "another version": ("0.1", "has scenario-pipeline 0.1"),
}


@pytest.mark.parametrize(("scheduler", "text"), REFUSED.values(), ids=REFUSED)
async def test_a_scheduler_without_this_version_is_one_clear_message(
    cluster_with, scheduler, text
):
    client = FakeClient(scheduler=scheduler)

    with pytest.raises(UsageError, match=text) as raised:
        async with cluster_with(client):
            pass

    assert "pip install" in raised.value.hint
    assert client.status == "closed"


async def test_a_cluster_without_workers_says_how_to_start_one(cluster_with):
    client = FakeClient()
    client.threads = {}

    with pytest.raises(UsageError, match="has no workers") as raised:
        async with cluster_with(client):
            pass

    assert raised.value.hint == "start one: dask worker tcp://a"


async def test_workers_without_the_package_are_one_clear_message(cluster_with):
    client = FakeClient(workers={"tcp://a": ModuleNotFoundError("")})

    async with cluster_with(client) as cluster:
        with pytest.raises(UsageError, match="ModuleNotFoundError"):
            await cluster.run_everywhere(CHECK)
        client._workers = {}
        with pytest.raises(WorkersGone, match="no workers"):
            await cluster.run_everywhere(CHECK)


async def test_a_task_that_kills_workers_counts_as_three_losses(cluster_with):
    import distributed

    killed: Any = ("k", None, 3)
    client = FakeClient(result=distributed.KilledWorker(*killed))
    async with cluster_with(client) as cluster:
        with pytest.raises(WorkerLost) as raised:
            await cluster.run(CHECK, started)
        assert raised.value.times == client_side.KILLED

        client._result = ZeroDivisionError(SECRET)
        with pytest.raises(WorkerLost) as raised:
            await cluster.run(CHECK, started)

    assert raised.value.times == 1
    assert SECRET not in f"{raised.value!r}"
    assert client.released == 2


LEAVING = {
    "no answer": (TimeoutError(), "does not answer"),
    "no workers": ({}, "has no workers"),
}


@pytest.mark.parametrize(("threads", "text"), LEAVING.values(), ids=LEAVING)
async def test_a_cluster_without_workers_is_not_waited_for(
    cluster_with, monkeypatch, threads, text
):
    monkeypatch.setattr(client_side, "_LOOK_S", 0.0)
    monkeypatch.setattr(client_side, "_ALONE_S", 0.0 if threads == {} else 9.0)
    client = FakeClient()
    client._result = b"never"
    forever = asyncio.get_running_loop().create_future()
    client.__class__ = type(
        "Silent", (FakeClient,), {"__await__": lambda _self: forever.__await__()}
    )
    async with cluster_with(client) as cluster:
        client.threads = threads
        with pytest.raises(WorkersGone, match=text):
            await cluster.run(CHECK, started)
        with pytest.raises(WorkersGone, match=text):
            await cluster.run(CHECK, started)


def test_dask_logs_to_nobody_unless_the_program_uses_it_already(monkeypatch):
    import distributed

    logger: Any = logging.getLogger("distributed")
    monkeypatch.setattr(logger, "handlers", ["theirs"])
    monkeypatch.setattr(logger, "propagate", True)

    assert client_side._distributed() is distributed
    assert logger.handlers == ["theirs"]

    monkeypatch.delitem(sys.modules, "distributed")
    monkeypatch.setattr("builtins.__import__", import_known(distributed))
    client_side._distributed()
    assert isinstance(logger.handlers[0], logging.NullHandler)
    assert logger.propagate is False


def import_known(module):
    """An import statement that finds this module without loading it again."""
    usual = __import__

    def find(name, *arguments, **named):
        return module if name == "distributed" else usual(name, *arguments, **named)

    return find


async def test_what_runs_on_a_worker_runs_here_too(cdn, tmp_path):
    """Several tasks share what the first one opens, and it is closed at the end."""
    replies = []

    async def perform():
        sealed = dask_worker.Sealed(CHECK)
        replies.append(await dask_worker.perform("run_1", SETUP, sealed))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(perform)
        tasks.start_soon(perform)
    await dask_worker.leave("run_1")
    await dask_worker.leave("run_1")

    assert [decode_reply(one.content).outcome for one in replies] == [Outcome.DONE] * 2
    assert dask_worker._serving == {}
    assert dask_worker.find_version()


async def test_a_local_cluster_listens_on_this_machine_alone(monkeypatch):
    import distributed

    asked, said = {}, []

    class Cluster:
        scheduler_address = "tcp://127.0.0.1:7"

        def __init__(self, **named) -> None:
            asked.update(named)

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

    monkeypatch.setattr(distributed, "LocalCluster", Cluster)
    with open(os.devnull, "rb") as source:  # noqa: ASYNC230, PTH123
        await local_cluster.serve(source, said.append, 3)

    assert said == ["tcp://127.0.0.1:7"]
    assert asked["n_workers"] == 3
    for name in ("host", "dashboard_address", "worker_dashboard_address"):
        assert asked[name].partition(":")[0] == "127.0.0.1"


def test_main_says_the_address_and_leaves_ctrl_c_to_the_run(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        anyio, "run", lambda _serve, _pipe, say, count: say(f"at {count}")
    )
    monkeypatch.setattr(signal, "signal", lambda *call: calls.append(call))

    local_cluster.main("3")
    local_cluster.main()

    assert capsys.readouterr().out == f"at 3\nat {os.cpu_count() or 1}\n"
    assert calls == [(signal.SIGINT, signal.SIG_IGN)] * 2


async def test_settings_reach_the_workers():
    from pipeline.executors.fetcher import settings_of

    assert settings_of(SETUP) == Settings()
