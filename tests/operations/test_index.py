"""The table of all assets: one row each, as JSON Lines or Parquet."""

import json
import sys

import pytest
from doubles import shell_fixtures
from doubles.shell import TREES

from pipeline.errors import OutputError, UsageError
from pipeline.operations.index import write_index
from pipeline.output.stores import open_store

shell = shell_fixtures.shell


@pytest.fixture
async def output(shell):
    shell.write(TREES)
    done = await shell.run("run", "trees.yaml", "--emulate", "--yes")
    assert done.code == 0, done
    folder = shell.folder / "output" / "trees.emulated"
    (folder / "notes.json").write_text("{}")  # nothing of ours
    return folder


def test_each_asset_is_one_line(output, tmp_path):
    path = tmp_path / "index.jsonl"

    assert write_index(open_store(output), path) == 4

    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["item_id"] for row in rows] == ["ash", "elm", "oak", "yew"]
    first = rows[0]
    assert first["path"] == "ash.png"
    assert first["url"] == str(output / "ash.png")
    assert first["manifest"] == "trees"
    assert first["prompt"] == "a ash"
    assert json.loads(first["variables"]) == {"name": "ash"}
    assert first["emulated"] is True
    assert [path.name for path in tmp_path.glob("*index*")] == ["index.jsonl"]


def test_the_same_rows_are_read_from_parquet(output, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, lines = tmp_path / "index.parquet", tmp_path / "index.jsonl"

    assert write_index(open_store(output), path) == 4
    write_index(open_store(output), lines)

    rows = parquet.read_table(path).to_pylist()
    assert rows == [json.loads(line) for line in lines.read_text("utf-8").splitlines()]


def test_without_the_extra_the_command_to_install_it_is_named(
    output, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(UsageError) as error:
        write_index(open_store(output), tmp_path / "index.parquet")

    assert error.value.hint.startswith("pip install 'scenario-pipeline[index]'")
    assert not list(tmp_path.glob("*index*"))


def test_another_ending_or_a_missing_folder_is_refused(output, tmp_path):
    with pytest.raises(UsageError, match="no known ending"):
        write_index(open_store(output), tmp_path / "index.csv")
    with pytest.raises(OutputError):
        write_index(open_store(output), tmp_path / "missing" / "index.jsonl")
