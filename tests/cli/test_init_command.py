"""``pipeline init``: from nothing to files, and what is typed next."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from PIL import Image

from pipeline.cli.main import run_command
from pipeline.errors import ExitCode


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def next_commands(out: str) -> list[list[str]]:
    """The commands that are printed at the end, without the program."""
    lines = out.partition("next, free and without a key:\n")[2].splitlines()
    return [shlex.split(line)[1:] for line in lines]


def test_what_it_says_to_type_next_makes_files(tmp_path, capsys):
    assert run_command(["init", "--yes"]) is ExitCode.OK

    plan, run = next_commands(capsys.readouterr().out)
    assert plan == ["plan", "assets.yaml", "--emulate"]
    assert run_command(plan) is ExitCode.OK
    assert "3 items: 3 to submit" in capsys.readouterr().out
    assert run_command(run) is ExitCode.OK
    made = sorted(path.name for path in (tmp_path / "output").rglob("*.png"))
    assert made == ["bottle-of-red-potion.png", "gold-coin.png", "iron-key.png"]


def test_a_sheet_with_an_odd_name_can_be_planned_as_printed(tmp_path, capsys):
    (tmp_path / "it's all.csv").write_bytes(
        "name;prompt\nA b;x\nC;ä\n".encode("utf-16")
    )

    code = run_command(["init", "my list.yaml", "--from", "it's all.csv"])

    out = capsys.readouterr().out
    assert code is ExitCode.OK
    assert out.startswith("my list.yaml: 2 items, no faults\n")
    plan, _ = next_commands(out)
    assert run_command(plan) is ExitCode.OK
    assert "+ a-b: new" in capsys.readouterr().out


def test_the_how_to_shows_what_is_really_written(tmp_path):
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "how-to" / "start-a-manifest.md").read_text("utf-8")
    (sheet,) = re.findall(r"```text\n(slug;.*?)```", page, re.DOTALL)
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "props.csv").write_text(sheet)

    assert run_command(["init", "--from", "data/props.csv"]) is ExitCode.OK

    written = (tmp_path / "props.yaml").read_text("utf-8")
    assert yaml.safe_load(written) == yaml.safe_load(shown)


def test_a_cell_that_is_missing_is_named_and_nothing_is_written(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("name,prompt\noak,\nelm,x\n")

    code = run_command(["init", "--from", "a.csv"])

    assert code is ExitCode.USAGE
    assert capsys.readouterr().err.splitlines() == [
        "note: a.yaml is not written yet, because of this:",
        "a.csv:2:5: the prompt is empty",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_what_is_left_out_of_a_folder_is_named(tmp_path, capsys):
    (tmp_path / "refs").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "refs" / name)
    for number in range(23):
        (tmp_path / "refs" / f"{number:02}.txt").touch()

    assert run_command(["init", "--from", "refs"]) is ExitCode.OK

    shown = capsys.readouterr()
    said = [line for line in shown.err.splitlines() if line.startswith("left out: ")]
    assert said[0] == "left out: refs/00.txt: is empty"
    assert said[-1] == "left out: 3 more files"
    assert len(said) == 21
    assert shown.out.startswith("assets.yaml: 2 items")


@pytest.mark.parametrize("name", ["none", "none.csv"])
def test_a_source_that_is_not_there_is_refused(name, capsys):
    assert run_command(["init", "--from", name]) is ExitCode.USAGE

    assert f"no {name}" in capsys.readouterr().err.replace("file '", "").replace(
        "'", ""
    )


def answer(monkeypatch, *answers: str) -> list[str]:
    """Answer the questions of a terminal; returns what was asked."""
    asked: list[str] = []
    left = list(answers)

    def ask(question: str, default: str) -> str:
        asked.append(question)
        return left.pop(0) or default

    monkeypatch.setattr("pipeline.cli.init._is_terminal", lambda: True)
    monkeypatch.setattr("pipeline.cli.init.ask_user", ask)
    return asked


def test_on_a_terminal_the_answers_are_the_manifest(tmp_path, monkeypatch):
    asked = answer(monkeypatch, "", "none", "the Big axe", "a $${cat}", "")

    assert run_command(["init", "b.yaml"]) is ExitCode.OK

    text = (tmp_path / "b.yaml").read_text("utf-8")
    assert "  - id: big-axe\n    prompt: the Big axe\n" in text
    assert "    prompt: a $$$${cat}\n" in text
    assert asked[0] == "Model"
    assert len(asked) == 5


def test_the_columns_of_a_sheet_can_be_chosen(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text("id,prompt,other\n1,x,A\n2,y,B\n")
    answer(monkeypatch, "", "nothing", "other", "prompt", "flat")

    assert run_command(["init", "--from", "a.csv"]) is ExitCode.OK

    text = (tmp_path / "a.yaml").read_text("utf-8")
    assert "  - id: ${prompt}\n    prompt: ${other}, ${look}\n" in text
    assert "there is no nothing; choose one of: " in capsys.readouterr().err


def test_pictures_can_be_the_style_of_others(tmp_path, monkeypatch):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    answer(monkeypatch, "", "style", "a coin", "")

    assert run_command(["init", "--from", "."]) is ExitCode.OK

    text = (tmp_path / "assets.yaml").read_text("utf-8")
    assert "  images: [ref:a, ref:b]\n" in text
    assert "  look: in the style of images 1 to 2\n" in text


def test_a_command_without_a_manifest_says_how_to_get_one(tmp_path, capsys):
    assert run_command(["run"]) is ExitCode.USAGE
    assert "  next: write a first manifest: pipeline init\n" in capsys.readouterr().err

    (tmp_path / "other.yaml").write_text("version: 1\n")
    (tmp_path / "my trees.yaml").write_text("version: 1\nitems: []\n")
    assert run_command(["plan"]) is ExitCode.USAGE
    assert "  next: pipeline plan 'my trees.yaml'\n" in capsys.readouterr().err

    assert run_command(["run", "new.yaml", "--emulate"]) is ExitCode.USAGE
    assert "no such file; to begin with one, type: pipeline init new.yaml" in (
        capsys.readouterr().err
    )

    assert run_command(["run", "my tress.yaml", "--emulate"]) is ExitCode.USAGE
    assert "no such file; did you mean my trees.yaml?" in capsys.readouterr().err

    assert run_command(["run", "no/such.yaml", "--emulate"]) is ExitCode.USAGE
    assert "to begin with one, type: pipeline init no/such" in capsys.readouterr().err
