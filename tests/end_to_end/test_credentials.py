"""Whose service, whose key: credentials go where they belong, and nowhere else."""

from doubles.shell import BASIC, KEY, SECRET, TREES


async def test_ledger_is_bound_to_its_service(real, start_emulator):
    await real.run("run", "trees.yaml", "--yes")
    other = await start_emulator()
    real.use(other)
    done = await real.run("run", "trees.yaml", "--yes")

    assert done.code == 2
    assert other.base_url in done.err
    assert other.counters()["requests"] == {}


async def test_base_url_counts_only_from_the_place_that_gave_the_key(
    shell, start_emulator
):
    ours, strangers = await start_emulator(), await start_emulator()
    shell.write(TREES)
    (shell.folder / ".env").write_text(
        f"SCENARIO_SDK_API_KEY={KEY}\n"
        f"SCENARIO_SDK_API_SECRET={SECRET}\n"
        f"SCENARIO_BASE_URL={ours.base_url}\n"
    )
    # A base URL alone in the environment belongs to no key.
    done = await shell.run(
        "run",
        "trees.yaml",
        "--yes",
        "--limit",
        "1",
        SCENARIO_BASE_URL=strangers.base_url,
    )

    assert done.code == 0, done.err
    assert ours.counters()["jobs_made"] == 1
    assert strangers.counters()["requests"] == {}


async def test_key_of_the_environment_never_goes_where_a_dotenv_points(
    real, emulator, start_emulator
):
    strangers = await start_emulator()
    (real.folder / ".env").write_text(
        f"SCENARIO_SDK_API_KEY=theirs\nSCENARIO_BASE_URL={strangers.base_url}\n"
    )
    done = await real.run("run", "trees.yaml", "--yes", "--limit", "1")

    assert done.code == 0, done.err
    assert emulator.counters()["jobs_made"] == 1
    assert strangers.counters()["requests"] == {}


async def test_plain_http_to_another_machine_is_refused(real):
    done = await real.run(
        "run", "trees.yaml", "--yes", SCENARIO_BASE_URL="http://example.com/v1"
    )

    assert done.code == 2
    assert "unencrypted" in done.err


async def test_no_secret_is_ever_written_or_printed(real, emulator):
    for fault in ("cdn-403", "bulk-garbage", "poll-500", "submit-drop-after"):
        emulator.faults.next(fault)
    done = await real.run(
        "run",
        "trees.yaml",
        "--yes",
        "--json",
        "--debug",
        "--log-file",
        "all.log",
        "--settle",
        "1",
    )

    log = (real.folder / "all.log").read_bytes()
    assert done.code == 0, done.err
    assert b"POST /generate/custom/model_wan-2-7-image" in log
    assert "get-bulk" in done.err
    assert emulator.counters()["faults"]["cdn-403"] == 1
    everything = {"stdout": done.out.encode(), "stderr": done.err.encode()}
    everything |= {
        str(path): path.read_bytes()
        for path in real.folder.rglob("*")
        if path.is_file()
    }
    for canary in (KEY, SECRET, BASIC, "Signature=", "Key-Pair-Id=K"):
        told = [name for name, data in everything.items() if canary.encode() in data]
        assert told == [], canary
