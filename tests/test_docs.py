"""The documents: nothing is undocumented, no link is dead, no example is wrong."""

import ast
import importlib
import pkgutil
import re
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest
import yaml

import pipeline
from pipeline.assets.checks.recorded import Finding
from pipeline.assets.sidecar import Source, render_sidecar
from pipeline.cli.commands import cli
from pipeline.clock import SystemClock
from pipeline.contract.assumptions import ASSUMPTIONS
from pipeline.emulator import outcomes
from pipeline.emulator.faults import FAULTS, READ_ENDPOINTS, READS
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.service import EmulatedService
from pipeline.errors import ExitCode, PipelineError
from pipeline.fault_points import FAULT_POINTS
from pipeline.job import Asset, AssetId, FailureClass, Job, JobKey, JobStatus
from pipeline.ledger.migrations import migrate
from pipeline.lockfile import values as lock_values
from pipeline.manifest import validate_manifest
from pipeline.manifest.keys import ITEM_KEYS, MANIFEST_KEYS, REFERENCE_KEYS
from pipeline.planning import Action
from pipeline.planning.decision import SIGNS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")
REFERENCE = DOCS / "reference"
CLI = (REFERENCE / "cli.md").read_text("utf-8")
EMULATOR = (REFERENCE / "emulator.md").read_text("utf-8")
ENVIRONMENT = (REFERENCE / "environment.md").read_text("utf-8")
ERRORS = (REFERENCE / "errors.md").read_text("utf-8")
EVENTS = (REFERENCE / "json-events.md").read_text("utf-8")
EXIT_CODES = (REFERENCE / "exit-codes.md").read_text("utf-8")
MANIFEST = (REFERENCE / "manifest.md").read_text("utf-8")
OUTPUT = (REFERENCE / "output-folder.md").read_text("utf-8")
SERVICE = (REFERENCE / "service.md").read_text("utf-8")
STATES = (REFERENCE / "states.md").read_text("utf-8")
PARTS = ("Tutorial", "How-to pages", "Reference", "Explanation")
README_LINES = 100  # two screens, and the way to the rest
README_COMMANDS = (
    "pip install . && pipeline run manifests/quickstart.yaml --emulate",
    'pip install -e ".[dev]" && pytest',
)


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    _, found, rest = f"\n{page}".partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(rf"\n#{{1,{level}}} ", rest)[0]


def row_keys(text: str) -> set[str]:
    """Every `word` in the first cell of a table's row."""
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def option_names(command: click.Command) -> list[str]:
    return [
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    ]


def error_classes() -> Iterator[type[PipelineError]]:
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if module.name != "pipeline.__main__":
            importlib.import_module(module.name)
    waiting = [PipelineError]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += [
            kind for kind in found.__subclasses__() if kind.__module__[:8] == "pipeline"
        ]


def string_constants() -> Iterator[str]:
    for path in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def printed_events() -> set[str]:
    """The names that the commands give to ``print_json(event=...)``.

    Those of a run are made in ``operations.event_fields``.
    """
    found: set[str] = set()
    fields = ROOT / "pipeline/operations/event_fields.py"
    for node in ast.walk(ast.parse(fields.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            found |= {
                str(value.value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
                and key.value == "event"
                and isinstance(value, ast.Constant)
            }
    for path in (ROOT / "pipeline" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                found |= {
                    str(keyword.value.value)
                    for keyword in node.keywords
                    if keyword.arg == "event"
                    and isinstance(keyword.value, ast.Constant)
                }
    return found


def anchors(page: str) -> set[str]:
    """What a link can jump to, as GitHub makes it of headings."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")
        for title in titles
    }


# --- commands -----------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_a_section_with_all_its_options(name):
    text = section(CLI, f"## `pipeline {name}`")

    synopsis = " ".join(code_blocks(text, ""))

    assert synopsis.startswith(f"pipeline {name}")
    written = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", synopsis))
    assert written == set(option_names(cli.commands[name]))


def test_every_command_is_in_the_overview():
    overview = CLI.split("\n## ")[0]

    assert {name for name in cli.commands if f"[`{name}`]" not in overview} == set()


def test_every_option_has_a_row_and_every_row_an_option():
    known = {n for command in cli.commands.values() for n in option_names(command)}

    rows = {key.split()[0] for key in row_keys(CLI) if key.startswith("-")}

    assert rows == known


def test_every_exit_code_is_explained_with_what_to_do():
    row = re.compile(r"^\| (\d+) \| `(\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
    explained = {
        int(number): (name, meaning, advice)
        for number, name, meaning, advice in row.findall(EXIT_CODES)
    }

    assert explained.keys() == set(map(int, ExitCode))
    for code in ExitCode:
        name, meaning, advice = explained[int(code)]
        assert name == code.name
        assert len(meaning) > 20
        assert advice.endswith(".")


def test_the_readme_leads_to_the_exit_codes():
    assert "(docs/reference/exit-codes.md)" in README


def test_every_json_event_is_documented():
    overview = EVENTS.split("\n## ")[0]
    headings = re.findall(r"^## (\w+)$", EVENTS, re.MULTILINE)

    linked = set(re.findall(r"^\| \[`(\w+)`\]", overview, re.MULTILINE))

    assert linked == printed_events()
    assert sorted(headings) == sorted(printed_events())
    for name in headings:
        assert row_keys(section(EVENTS, f"## {name}")), name


def test_every_action_of_a_plan_is_documented():
    table = section(CLI, "## `pipeline plan`")

    for action in Action:
        assert f"| `{SIGNS[action]}` | {action} |" in table


def test_every_finding_of_verify_is_documented():
    table = section(CLI, "## `pipeline verify`")

    assert row_keys(table) == set(map(str, Finding))


def test_every_environment_variable_is_documented():
    shape = re.compile(r"(SCENARIO|PIPELINE)_[A-Z][A-Z_]+")
    known = {text for text in string_constants() if shape.fullmatch(text)}

    assert row_keys(section(ENVIRONMENT, "## Variables")) == known


# --- manifest -----------------------------------------------------------------


def test_every_manifest_key_is_documented():
    assert row_keys(section(MANIFEST, "## Top-level keys")) == set(MANIFEST_KEYS)
    assert row_keys(section(MANIFEST, "## Item keys")) == set(ITEM_KEYS)
    turned = section(MANIFEST, "### Pictures that are stored turned")
    assert row_keys(turned) == set(REFERENCE_KEYS)


@pytest.mark.parametrize(
    ("page", "number"),
    [
        pytest.param(page, number, id=f"{page.name}-{number}")
        for page in PAGES
        for number in range(len(code_blocks(page.read_text("utf-8"), "yaml")))
    ],
)
def test_every_example_of_a_manifest_is_valid(page, number, tmp_path):
    text = code_blocks(page.read_text("utf-8"), "yaml")[number]
    (tmp_path / "refs").mkdir()
    style = (ROOT / "manifests" / "refs" / "style.png").read_bytes()
    (tmp_path / "refs" / "style.png").write_bytes(style)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "props.csv").write_text(
        "slug,description,seed\ncrate,a wooden crate,\nbarrel,an oak barrel,7\n"
    )
    (tmp_path / "example.yaml").write_text(text, encoding="utf-8")

    _, count = validate_manifest(tmp_path / "example.yaml")

    assert count > 0


# --- output folder, states, emulator, service -----------------------------------


def test_every_sidecar_key_is_documented():
    job = Job(
        item_id="oak",
        attempt=1,
        job_key=JobKey("0"),
        request_key=JobKey("0"),
        model_id="model_x",
    )
    asset = Asset(
        asset_id=AssetId("asset_x"),
        output_index=1,
        path="oak.png",
        sha256="0",
        size_bytes=1,
        media_type="image/png",
        width_px=1,
        height_px=1,
    )
    source = Source(name="icons", file="icons.yaml", sha256="0", line=1)
    sidecar = yaml.safe_load(render_sidecar(job, asset, source, emulated=True))

    documented = row_keys(section(OUTPUT, "## Sidecars"))

    assert documented == set(sidecar)
    assert f"`{sidecar['schema']}`" in OUTPUT


def test_every_table_of_the_ledger_is_documented():
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection, Path("ledger.sqlite3"))
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        tables = {name for (name,) in rows}

    assert row_keys(section(OUTPUT, "## The ledger")) == tables


def test_every_key_of_a_lock_file_is_documented():
    text = section(OUTPUT, "## The lock file")

    assert row_keys(text) == {*lock_values.ITEM_KEYS, "assets", "job_asset_ids"}
    (assets,) = (line for line in text.splitlines() if line.startswith("| `assets`"))
    named = set(re.findall(r"`(\w+)`", assets)) - {"assets"}
    assert named == set(lock_values.ASSET_KEYS)


def test_every_state_and_class_of_failure_is_documented():
    states = row_keys(section(STATES, "## States"))
    classes = row_keys(section(STATES, "## Classes of failures"))

    assert states == set(map(str, JobStatus))
    assert classes == set(map(str, FailureClass))


def test_every_fault_of_the_emulator_is_documented():
    text = section(EMULATOR, "## Faults")
    reading = set(re.findall(r"`([^`]+)`", text.split("The words of reading: ")[-1]))
    assert reading == set(READS)
    documented: set[str] = set()
    for prefix, _, words in re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.*) \|$", text, re.MULTILINE
    ):
        own = set(re.findall(r"`([^`]+)`", words))
        assert ("the words of reading" in words) is (prefix in READ_ENDPOINTS)
        every = own | (reading if prefix in READ_ENDPOINTS else set())
        documented |= {f"{prefix}-{word}" for word in every}

    assert documented == set(FAULTS)


def test_every_word_of_a_prompt_for_the_emulator_is_documented():
    known = set(re.findall(r"``(\[[^`]+\])``", outcomes.__doc__ or ""))
    assert known

    assert row_keys(section(EMULATOR, "## Words in a prompt")) == known


def test_every_knob_is_documented_with_its_default():
    profile = EmulatorProfile()
    rows = re.findall(
        r"^\| `(\w+)` \| `(.+?)` \| (.+) \|$",
        section(EMULATOR, "## Knobs"),
        re.MULTILINE,
    )

    written = {name: default for name, default, _ in rows}

    assert len(rows) == len(written)
    assert written == {name: repr(value) for name, value in profile.flat().items()}


def test_every_counter_of_the_emulator_is_documented():
    counted = EmulatedService(EmulatorProfile(), SystemClock()).read_counters()

    assert row_keys(section(EMULATOR, "## Counters")) == set(counted)


def test_every_assumption_about_the_service_is_documented_word_for_word():
    table = section(SERVICE, "## What can be checked")

    written = [line for line in table.splitlines() if line.startswith("| `")]

    assert written == [
        f"| `{known.key}` | {known.text} | {known.probe} | {known.safety or '-'} |"
        for known in ASSUMPTIONS
    ]


def test_every_point_at_which_a_run_can_be_killed_is_documented():
    text = section(EMULATOR, "## Killing a run on purpose")

    assert row_keys(text) == set(FAULT_POINTS)


# --- errors -------------------------------------------------------------------


def test_every_error_is_documented():
    branches = {"PipelineError", "InputError", "JobError", "RunError"}
    known = {error.__name__ for error in error_classes()} - branches

    assert row_keys(ERRORS) == known
    assert {name for name in branches if name not in ERRORS} == set()


def test_the_exit_code_beside_an_error_is_the_one_it_ends_with():
    written = re.findall(r"^\| `(\w+)` \| (\d+) \|", ERRORS, re.MULTILINE)
    ends_with = {error.__name__: int(error.exit_code) for error in error_classes()}

    assert written
    assert {name: int(code) for name, code in written} == {
        name: ends_with[name] for name, _ in written
    }


# --- architecture -------------------------------------------------------------


def test_every_part_of_the_package_is_on_the_map():
    (layout,) = code_blocks(section(ARCHITECTURE, "## Layout"), "")
    hidden = ("__", ".", "py.typed")

    parts = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "pipeline").iterdir()
        if not path.name.startswith(hidden)
    ]

    assert [part for part in parts if part not in layout] == []
    mapped = re.findall(r"\b[a-z_]+(?:\.py|/)", layout.replace("pipeline/\n", ""))
    assert [p for p in mapped if not any((ROOT / "pipeline").rglob(p))] == []


# --- README and the rest ------------------------------------------------------


@pytest.mark.parametrize("command", README_COMMANDS)
def test_the_commands_of_the_readme_are_what_ci_runs(command):
    assert f"```sh\n{command}\n```" in README
    assert f"'{command}'" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_newest_version_is_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert "## [Unreleased]" in changelog
    assert f"## [{pipeline.__version__}] - " in changelog


def test_the_action_passes_its_inputs_through_the_environment():
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))

    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]

    github = (DOCS / "how-to" / "github.md").read_text("utf-8")
    assert row_keys(section(github, "### Inputs")) == set(action["inputs"])
    assert row_keys(section(github, "### Outputs")) == set(action["outputs"])
    assert scripts
    # An expression inside a script would run whatever somebody puts into an input.
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_is_dead(page):
    text = page.read_text("utf-8")
    targets = re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    )

    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_relative_to(ROOT), target
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text("utf-8")), target


def test_the_readme_leads_to_the_index_and_the_index_to_every_page():
    index = (DOCS / "README.md").read_text("utf-8")
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]

    assert [part for part in PARTS if f"\n## {part}\n" not in index] == []
    assert "(docs/README.md#" in README
    assert [name for name in pages if f"({name})" not in index] == ["README.md"]


def test_the_readme_has_two_screens_and_leads_to_all_four_parts():
    assert len(README.splitlines()) <= README_LINES
    first, _, second = README.partition("\n## Real pictures\n")
    assert "docs/quickstart.png" in first
    assert "SCENARIO_SDK_API_KEY" in second
    for part in ("tutorial.md", "how-to/", "reference/", "explanation/"):
        assert f"(docs/{part}" in README


def test_every_public_name_is_documented():
    page = (DOCS / "reference" / "python.md").read_text("utf-8")

    named = set(re.findall(r"`pipeline\.(\w+)", page))

    assert named == set(pipeline.__all__) - {"__version__"}


def test_the_pictures_of_the_documents_are_small():
    sizes = {path.name: path.stat().st_size for path in DOCS.glob("*.png")}

    assert sizes.keys() == {"quickstart.png", "tutorial.png"}
    assert max(sizes.values()) < 300_000


def test_every_screen_that_the_script_draws_is_shown_and_fetches_nothing():
    script = (ROOT / ".ci" / "screens.py").read_text("utf-8")
    names = re.findall(r'^    "(\w+)": Screen\(', script, re.MULTILINE)
    page = (DOCS / "how-to" / "terminal.md").read_text("utf-8")
    drawn = {path.stem: path for path in (DOCS / "screens").iterdir()}

    assert drawn.keys() == {*names} == {*re.findall(r"screens/(\w+)\.svg\)", page)}
    for path in drawn.values():
        text = path.read_text("utf-8")
        assert path.stat().st_size < 120_000
        assert "url(http" not in text
        assert "@font-face" not in text


def product_files() -> Iterator[Path]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["readme"] == "README.md"
    names = ("action.yml", "Dockerfile", ".dockerignore", ".pre-commit-config.yaml")
    yield from (ROOT / name for name in (*names, "pyproject.toml", ".ci/run"))
    yield from PAGES
    for folder in ("pipeline", "manifests"):
        yield from (
            path
            for path in (ROOT / folder).rglob("*")
            if path.suffix in {".py", ".sql", ".json", ".yaml", ".csv", ".html"}
        )


def test_product_text_holds_no_path_of_a_machine_and_nothing_left_open():
    # Written apart, so that these words are not found here either.
    unwanted = re.compile(
        r"/(?:work|home|root)/|/tmp/dv|\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b|[A-Z]:\\Users"
    )

    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in product_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if (match := unwanted.search(line))
    ]

    assert found == []
