"""The GitHub action: its steps as the runner starts them, and how ``args`` is read."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from doubles.shell import TREES, Done

from pipeline.cli.action import command_words, find_cache, main, split_words
from pipeline.errors import UsageError

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"] if "id" in step}
BASH = shutil.which("bash") or ""

needs_bash = pytest.mark.skipif(
    not BASH or os.name == "nt", reason="needs a bash that has the paths of Python"
)


class Job:
    """A job on a runner: its workspace, and the files that steps write."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "work space"
        self.temp = folder / "temp"
        self.path_file = folder / "path"
        self.outputs_file = folder / "outputs"
        self.summary_file = folder / "summary"
        self.workspace.mkdir()
        self.temp.mkdir()
        for file in (self.path_file, self.outputs_file, self.summary_file):
            file.touch()

    def run(self, step_id: str, python: Path, **inputs: str) -> Done:
        """A step of the action, with the environment that it is documented to have."""
        step = STEPS[step_id]
        values = {
            name: str(entry.get("default", ""))
            for name, entry in ACTION["inputs"].items()
        } | {name.replace("_", "-"): value for name, value in inputs.items()}
        assert set(values) == set(ACTION["inputs"])

        def value_of(text: str) -> str:
            named = re.fullmatch(r"\$\{\{ (.+?) \}\}", text)
            assert named, text
            if named[1].startswith("inputs."):
                return values[named[1].removeprefix("inputs.")]
            if named[1] == "github.action_path":
                return str(ROOT)
            assert named[1].endswith(("python-path", "outputs.python")), text
            return str(python)

        kept = ("PATH", "HOME", "PIPELINE_CACHE_DIR", "PIPELINE_STATE_DIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(self.outputs_file),
            "GITHUB_STEP_SUMMARY": str(self.summary_file),
            "GITHUB_PATH": str(self.path_file),
            "RUNNER_TEMP": str(self.temp),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        environment |= {name: value_of(text) for name, text in step["env"].items()}
        folder = self.workspace
        if "working-directory" in step:
            folder /= value_of(step["working-directory"])
        # As the runner starts `shell: bash`.
        script = self.temp / "script.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            [BASH, "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    @property
    def outputs(self) -> dict[str, str]:
        """What the steps have set, as the runner reads it."""
        text = self.outputs_file.read_text()
        long = re.findall(r"^(.+)<<(.+)\n(?s:(.*?))\n\2$", text, re.MULTILINE)
        short = re.findall(r"^([^=<\n]+)=(.*)$", text, re.MULTILINE)
        return {name: value for name, _, value in long} | dict(short)


@pytest.fixture
def job(tmp_path) -> Job:
    return Job(tmp_path)


ARGS = """
  # a rehearsal, of two items
  --emulate
  --select 'o*'   --select "$(touch injected)*"  # nothing is executed
  --select el#m --select elm \\
  --settle 1 ; touch injected
"""


@needs_bash
def test_the_run_takes_args_on_several_lines_and_executes_none_of_them(job):
    folder = job.workspace / "art $HOME"
    folder.mkdir()
    (folder / "trees.yaml").write_text(TREES)
    args = ARGS.replace(" ; touch injected", "")

    done = job.run(
        "run",
        Path(sys.executable),
        manifest="trees.yaml",
        working_directory="art $HOME",
        args=args,
        output="out",
        json="reports/events.jsonl",
        junit="reports/junit.xml",
        max_cost="100",
        deadline="45m",
    )

    assert done.code == 0, done.err
    assert (folder / "out/oak.png").is_file()
    assert (folder / "out/elm.png").is_file()
    assert '"exit_code": 0' in (folder / "reports/events.jsonl").read_text()
    assert 'tests="2"' in (folder / "reports/junit.xml").read_text()
    assert list(job.workspace.rglob("injected")) == []
    assert done.out == ""
    assert job.path_file.read_text() == ""
    assert "2 saved" in job.summary_file.read_text()
    assert set(job.outputs) == set(ACTION["outputs"])
    assert job.outputs["saved"] == "2"
    assert job.outputs["junit"] == "reports/junit.xml"


@needs_bash
def test_a_command_behind_a_semicolon_is_a_wrong_word(job):
    (job.workspace / "trees.yaml").write_text(TREES)

    done = job.run("run", Path(sys.executable), manifest="trees.yaml", args=ARGS)

    assert done.code == 2
    assert list(job.workspace.rglob("injected")) == []


@needs_bash
def test_the_installation_is_beside_the_job_and_not_on_its_path(job, tmp_path):
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/bash\n"
        f'echo "$@" >> "{tmp_path}/calls"\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)

    done = job.run("install", python)

    assert done.code == 0, done.err
    assert job.path_file.read_text() == ""
    assert job.outputs["python"] == f"{job.temp}/scenario-pipeline/bin/python"
    made, installed = (tmp_path / "calls").read_text().splitlines()
    assert made == f"-m venv {job.temp}/scenario-pipeline"
    assert installed.startswith("-I -m pip install ")
    assert installed.endswith(f" {ROOT}")


@needs_bash
def test_the_cache_is_told_the_output_folder(job):
    (job.workspace / "art").mkdir()
    (job.workspace / "art/trees.yaml").write_text(TREES)

    done = job.run(
        "cache", Path(sys.executable), manifest="trees.yaml", working_directory="art"
    )

    assert done.code == 0, done.err
    assert job.outputs["path"] == "art/output/trees"
    assert re.fullmatch("scenario-pipeline-[0-9a-f]{16}", job.outputs["key"])


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"ARGS": "--emulate"}, "art/output/trees.emulated"),
        ({"OUTPUT": "../out"}, "out"),
        ({"ARGS": "--output=made\n# --output other"}, "art/made"),
        ({"ARGS": "--no-such-option"}, None),
        ({"ARGS": "'half"}, None),
        ({"MANIFEST": "none.yaml"}, None),
    ],
)
def test_the_output_folder_is_that_of_the_run(tmp_path, monkeypatch, inputs, path):
    (tmp_path / "art").mkdir()
    (tmp_path / "art/trees.yaml").write_text(TREES)
    monkeypatch.chdir(tmp_path / "art")
    inputs = {f"INPUT_{name}": value for name, value in inputs.items()}
    environment = {"INPUT_MANIFEST": "trees.yaml", "GITHUB_WORKSPACE": str(tmp_path)}

    assert find_cache(environment | inputs).get("path") == path


def test_the_job_keeps_its_own_python():
    (setup,) = (
        s for s in ACTION["runs"]["steps"] if "setup-python" in s.get("uses", "")
    )

    assert setup["with"]["update-environment"] is False
    assert "GITHUB_PATH" not in (ROOT / "action.yml").read_text("utf-8")
    assert "GITHUB_ENV" not in (ROOT / "action.yml").read_text("utf-8")


def test_the_folder_is_kept_after_a_failure_too():
    saved = ACTION["runs"]["steps"][-1]

    assert saved["uses"].startswith("actions/cache/save@")
    assert "always()" in saved["if"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n ", []),
        ("--limit 3", ["--limit", "3"]),
        ("--limit 3\n--emulate\r\n--quiet", ["--limit", "3", "--emulate", "--quiet"]),
        ("a \\\n  b\\\r\n  c", ["a", "b", "c"]),
        ("--note 'it''s # fine' # not this", ["--note", "its # fine"]),
        ('"a b" c\\ d "e \\" f"', ["a b", "c d", 'e " f']),
        ("'' \"\"", ["", ""]),
        ("a#b '#c' #d\ne", ["a#b", "#c", "e"]),
        ("$HOME `id` $(id) *", ["$HOME", "`id`", "$(id)", "*"]),
    ],
)
def test_args_are_split_as_by_a_shell(text, words):
    assert split_words(text) == words


def test_a_quotation_that_is_not_closed_is_an_error():
    with pytest.raises(UsageError, match="args: no closing quotation"):
        split_words("--note 'half")


@pytest.mark.parametrize("value", ["maybe", "True!", "null"])
def test_a_flag_is_true_or_false(value):
    with pytest.raises(UsageError, match="frozen: "):
        command_words({"manifest": "a.yaml", "frozen": value})


def test_a_value_that_looks_like_an_option_stays_a_value():
    words = command_words({"manifest": "--help", "output": "--yes", "frozen": "TRUE"})

    assert words == ["run", "--yes", "--output=--yes", "--frozen", "--", "--help"]


# --- the two steps, in this process


@pytest.fixture
def action(tmp_path, monkeypatch):
    """Runs the module with these words and inputs; the words that it passes on."""
    monkeypatch.chdir(tmp_path)
    passed = []

    def run_program(words):
        passed.append(words)
        print("said")  # noqa: T201 - what --json would have

    def start(*words, **inputs):
        for name, value in inputs.items():
            monkeypatch.setenv(f"INPUT_{name.upper().replace('-', '_')}", value)
        monkeypatch.setattr(sys, "argv", ["action.py", *words])
        monkeypatch.setattr("pipeline.cli.main.main", run_program)
        main()
        return passed

    return start


def test_the_run_step_passes_its_inputs_on(action):
    (words,) = action("run", manifest="icons.yaml", frozen="true")

    assert words == ["run", "--yes", "--frozen", "--", "icons.yaml"]


def test_the_events_go_to_the_file_that_is_named(action, tmp_path, monkeypatch):
    with (tmp_path / "terminal").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        (words,) = action("run", manifest="icons.yaml", json="events/all.jsonl")

    assert "--json" in words
    assert (tmp_path / "events/all.jsonl").read_text() == "said\n"
    assert (tmp_path / "terminal").read_text() == ""


def test_an_input_that_cannot_be_read_ends_the_step_and_says_why(action, capsys):
    with pytest.raises(SystemExit) as ended:
        action("run", manifest="icons.yaml", args="--limit '2")

    assert ended.value.code == 2
    assert "args: no closing quotation" in capsys.readouterr().err


def test_the_cache_step_tells_github_and_starts_nothing(action, tmp_path, monkeypatch):
    outputs = tmp_path / "outputs"
    outputs.touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    (tmp_path / "icons.yaml").write_text(TREES)

    passed = action("cache", manifest="icons.yaml")

    assert passed == []
    assert "output/" in outputs.read_text()


def test_nothing_is_kept_for_several_manifests(tmp_path, monkeypatch):
    """Each has an output folder of its own."""
    monkeypatch.chdir(tmp_path)
    inputs = {"INPUT_MANIFEST": "a.yaml", "INPUT_ARGS": "b.yaml"}

    assert find_cache(inputs) == {}
