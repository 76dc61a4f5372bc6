"""Imports point one way: the ladder, one door for each library, nothing heavy early."""

import ast
import functools
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pipeline"

# Each area, a folder or a module of ``pipeline``, and what it may import when it is
# imported itself. A new area needs a line here: on which step does it stand?
LADDER = {
    "clock": "",
    "record": "",
    "redaction": "",
    "version": "",
    "fault_points": "",
    "units": "",
    "counting": "",
    "visible": "",
    "emulator": "clock",
    "activity": "clock errors",
    "save_spec": "record",
    "job": "record save_spec",
    "errors": "redaction",
    "fingerprint": "job",
    "naming": "job",
    "storage": "errors fault_points record",
    "ledger": "clock errors job naming record storage save_spec",
    "settings": "errors redaction storage",
    "api": "activity clock counting errors job record redaction settings version",
    "report": "assets clock counting record storage visible",
    "models": "clock counting errors fingerprint job record redaction settings storage visible",
    "assets": "api clock counting errors fault_points job naming record settings storage units version save_spec",
    "contract": "api clock counting errors job record redaction settings storage version",
    "executors": "api assets clock counting errors job record redaction save_spec settings storage version",
    "stages": "api clock counting errors fingerprint job record settings storage",
    "manifest": "counting errors fingerprint job models naming record redaction storage units save_spec visible",
    "lockfile": "counting errors job ledger manifest naming record settings storage units save_spec",
    "planning": "counting errors fingerprint job ledger manifest models naming record storage save_spec",
    "output": "assets clock errors job ledger lockfile manifest naming record settings storage units version",
    "pricing": "api clock counting errors job ledger models planning record report settings stages storage units version",
    "running": "activity api assets clock counting errors fault_points job ledger manifest naming planning pricing record report settings stages save_spec storage",
    "operations": "activity api assets clock contract counting errors executors fault_points fingerprint job ledger lockfile manifest models naming output planning pricing record report running settings stages storage units save_spec redaction",
    "cli": "activity api assets clock contract counting emulator errors executors job manifest models operations output planning pricing record redaction report running settings stages storage units version visible",
    "__main__": "cli",
    "pipeline": "version",
}

# What of ``api`` is seen from outside of it. ``client`` and ``cdn`` bring aiohttp.
API_DOORS = {
    "assets": {"interface", "retry"},
    "contract": {"exchange", "wire"},
    "executors": {"cdn", "interface"},  # a worker has a connection of its own
    "stages": {"echo", "interface", "listing", "rate_limiter", "retry", "wire"},
    "pricing": {"interface", "retry"},
    "running": {"echo", "interface", "listing", "rate_limiter", "retry", "wire"},
    "operations": {"echo", "interface", "rate_limiter", "retry", "wire"},
    "cli": {"client", "interface", "probing", "rate_limiter"},
}

# One library, one door. ``doctor`` says which SQLite there is.
DOORS = {
    "aiohttp": ("pipeline.api.", "pipeline.emulator.", "pipeline.report.review."),
    "yarl": ("pipeline.api.cdn",),
    "sqlite3": ("pipeline.ledger.", "pipeline.cli.doctor"),
    "yaml": ("pipeline.manifest.source",),
    "openpyxl": ("pipeline.manifest.xlsx_rows",),
    "aiofiles": ("pipeline.storage.atomic_file",),
    "filelock": (
        "pipeline.output.folder",
        "pipeline.output.gallery_folder",
        "pipeline.api.rate_limiter_state",
    ),
    "platformdirs": ("pipeline.models.catalog", "pipeline.api.rate_limiter_state"),
    "rich": ("pipeline.cli.",),
    "click": ("pipeline.cli.",),
    "dotenv": ("pipeline.settings",),
    "keyring": ("pipeline.settings",),
    "PIL": (
        "pipeline.assets.checks.image",
        "pipeline.storage.orientation",
        "pipeline.assets.checks.picture",
        "pipeline.assets.processing",
        "pipeline.assets.thumbnail",
        "pipeline.report.",
        "pipeline.emulator.",
        "pipeline.cli.console.pictures.",
    ),
    "obstore": ("pipeline.storage.bucket_errors",),
    "pyarrow": ("pipeline.output.parquet",),
    "distributed": (
        "pipeline.executors.dask_cluster",
        "pipeline.executors.local_cluster",
    ),
    "jinja2": ("pipeline.report.gallery.page",),
    "isal": ("pipeline.assets.checks.png",),
    "deflate": ("pipeline.assets.checks.png",),
    "msgspec": (
        "pipeline.record",
        "pipeline.api.wire",
        "pipeline.assets.sidecar",
        "pipeline.executors.frames",
        "pipeline.executors.messages",
        "pipeline.report.gallery.page",
        "pipeline.emulator.",
        "pipeline.report.",
    ),
}

# Imported inside of functions alone, because it is slow or seldom there.
LATE_ONLY = {
    "PIL",
    "distributed",
    "dotenv",
    "jinja2",
    "keyring",
    "obstore",
    "platformdirs",
    "pyarrow",
}


def _name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _is_for_types(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _walk(node, *, late):
    """The import statements: those run at import, or those inside of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            if not late:
                yield child
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if late:
                yield from _walk(child, late=False)
        elif not _is_for_types(child):
            yield from _walk(child, late=late)


@functools.cache
def imports_of(module, *, late=False):
    """Names of the modules that a module imports, ours by their own full name."""
    names = []
    for node in _walk(_tree_of(module), late=late):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
            continue
        assert node.level == 0, f"{module}: imports are absolute"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            names.append(inner if inner in MODULES else node.module)
    return tuple(names)


@functools.cache
def _tree_of(module):
    return ast.parse(MODULES[module].read_text("utf-8"))


def area_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "pipeline"


@functools.cache
def our_imports():
    """Module to the modules of ours that it imports when it is imported itself."""
    return {
        module: {
            name for name in imports_of(module) if name.split(".")[0] == "pipeline"
        }
        for module in MODULES
    }


def test_every_area_stands_on_the_ladder():
    assert {area_of(module) for module in MODULES} == set(LADDER)


def test_the_ladder_has_no_cycle():
    graph = {area: may.split() for area, may in LADDER.items()}

    assert set().union(*graph.values()) <= set(graph)
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("area", LADDER)
def test_an_area_imports_only_what_stands_below_it(area):
    wrong = {
        f"{module} imports {name}"
        for module, names in our_imports().items()
        if area_of(module) == area
        for name in names
        if area_of(name) not in {area, *LADDER[area].split()}
    }

    assert not wrong


def test_no_two_modules_import_each_other():
    TopologicalSorter(our_imports()).prepare()  # raises CycleError, which names them


def test_the_api_is_seen_through_its_interface():
    seen = {}
    for module, names in our_imports().items():
        if area_of(module) != "api":
            for name in names:
                if area_of(name) == "api":
                    seen.setdefault(area_of(module), set()).add(name.split(".")[-1])

    assert not {
        f"{area} sees api.{name}"
        for area, names in seen.items()
        for name in names - API_DOORS.get(area, set())
    }


def test_the_stages_know_neither_ledger_nor_client():
    for module in MODULES:
        if area_of(module) == "stages":
            names = {*imports_of(module), *imports_of(module, late=True)}
            assert not {name for name in names if "ledger" in name}, module
            assert not names & {"pipeline.api.client", "pipeline.api.cdn"}, module


def test_the_emulator_is_written_from_the_contract_alone():
    seen = {
        name
        for module in MODULES
        if area_of(module) == "emulator"
        for name in (*imports_of(module), *imports_of(module, late=True))
        if name.split(".")[0] == "pipeline" and area_of(name) != "emulator"
    }

    assert seen <= {"pipeline.clock"}


def test_the_emulator_is_known_to_the_command_line_and_the_connection_alone():
    users = {
        module
        for module in MODULES
        if area_of(module) != "emulator"
        for name in (*imports_of(module), *imports_of(module, late=True))
        if name.startswith("pipeline.emulator")
    }

    assert users <= {
        "pipeline.operations.connection",
        "pipeline.cli.emulator",
        "pipeline.cli.emulated_models",  # reads its tables, and starts nothing
    }


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_one_door(library):
    users = {
        module
        for module in MODULES
        for name in (*imports_of(module), *imports_of(module, late=True))
        if name.split(".")[0] == library
    }

    assert not {module for module in users if not module.startswith(DOORS[library])}


@pytest.mark.parametrize("library", sorted(LATE_ONLY))
def test_a_slow_library_is_imported_when_it_is_needed(library):
    early = {
        module
        for module in MODULES
        for name in imports_of(module)
        # The emulator draws; who starts it imports it late as a whole.
        if name.split(".")[0] == library and area_of(module) != "emulator"
    }

    assert not early


def loaded_by(code):
    """The top-level names of all modules that are loaded after some code ran."""
    script = (
        f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parent,
        env={**os.environ, "COVERAGE_PROCESS_CONFIG": ""},  # it loads modules too
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {
    "aiohttp",
    "rich",
    "pydantic",
    "yaml",
    "PIL",
    "anyio",
    "msgspec",
    "sqlite3",
    "asyncio",
}
HELP = """
from pipeline.cli.main import main
sys.argv = ["pipeline", {arguments}]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""


@pytest.mark.parametrize("arguments", ["'--help'", "'--version'", "'run', '--help'"])
def test_help_loads_nothing_heavy(arguments):
    loaded = loaded_by(HELP.format(arguments=arguments))

    assert "click" in loaded
    assert not loaded & HEAVY


def test_planning_loads_no_http():
    """What touches nothing needs no network: 250 ms saved."""
    loaded = loaded_by("import pipeline.operations.run, pipeline.running.run")

    assert "anyio" in loaded
    assert not loaded & {"aiohttp", "PIL", "rich", "click", "dotenv"}
