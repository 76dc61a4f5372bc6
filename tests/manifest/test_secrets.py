"""A manifest or a table of rows with a secret in it is refused."""

import pytest

from pipeline.errors import ExitCode, ManifestError
from pipeline.manifest import load_manifest, validate_manifest
from pipeline.redaction import SECRETS

KEY = "api_K7q/w+Zr9x=Tn4Bv"

ITEMS = "version: 1\nmodel: model_wan-2-7-image\nitems:\n"


@pytest.mark.parametrize(
    "line",
    [
        f"  - {{id: a, prompt: 'a {KEY} tree'}}",
        f"  - {{id: a, prompt: an oak}}  # {KEY}",
    ],
)
def test_a_manifest_with_a_secret_is_refused_at_its_line(tmp_path, line):
    SECRETS.learn(KEY)
    path = tmp_path / "trees.yaml"
    path.write_text(ITEMS + line + "\n", "utf-8")

    with pytest.raises(ManifestError) as caught:
        load_manifest(path)

    assert caught.value.exit_code is ExitCode.USAGE
    [fault] = caught.value.faults
    assert fault.line == 4
    assert "API key or secret" in fault.message
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_rows_with_a_secret_are_refused_at_their_line(tmp_path, name):
    SECRETS.learn(KEY)
    rows = {
        "rows.csv": f"name,what\noak,a tree\nkey,{KEY}\n",
        "rows.jsonl": '{"name": "oak", "what": "a tree"}\n{"name": "key", "what": "'
        + KEY
        + '"}\n',
    }
    (tmp_path / name).write_text(rows[name], "utf-8")
    path = tmp_path / "trees.yaml"
    path.write_text(
        f"{ITEMS}  - {{id: 'a-${{name}}', prompt: '${{what}}', rows: {name}}}\n",
        "utf-8",
    )

    with pytest.raises(ManifestError) as caught:
        validate_manifest(path)

    assert caught.value.faults[0].file.endswith(name)
    assert (
        caught.value.faults[0].line
        == rows[name][: rows[name].index(KEY)].count("\n") + 1
    )
    assert KEY not in str(caught.value)
