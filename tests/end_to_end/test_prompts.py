"""What is sent as a prompt: warned of where YAML cuts it, and shown by the plan."""

import pytest

MANIFEST = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K}
items:
  - id: sword
    prompt: a sword #2 with a red gem
  - id: ${name}
    prompt: |
      a ${name}
      at noon
    matrix: {name: [oak, elm]}
"""
WARNING = (
    'trees.yaml:7:21: a comment begins here, so only "a sword" is sent as the prompt;'
    ' if it belongs to the text, write prompt: "a sword #2 with a red gem"'
)


@pytest.mark.parametrize(
    "arguments", [("validate",), ("plan",), ("run", "-y"), ("run", "-y", "--json")]
)
async def test_a_prompt_that_a_comment_ends_is_a_warning(real, arguments):
    real.write(MANIFEST)
    name, *options = arguments

    done = await real.run(name, "trees.yaml", *options)

    assert done.code == 0, done.err
    assert done.err.count(WARNING) == 1
    if "--json" in options:
        messages = [line["message"] for line in done.of("warning")]
        assert messages.count(WARNING) == 1


async def test_the_plan_shows_every_prompt_as_it_is_sent(real):
    real.write(MANIFEST)

    done = await real.run("plan", "trees.yaml", "--prompts")

    lines = done.out.splitlines()
    assert lines[0].startswith("+ sword: new")
    assert lines[1] == "    a sword"
    assert lines[2].startswith("+ oak: new")
    assert lines[3:6] == ["    a oak", "    at noon", ""]
    assert lines[7:9] == ["    a elm", "    at noon"]


async def test_with_many_items_too(real):
    numbers = ", ".join(map(str, range(150)))
    real.write(
        MANIFEST.replace("oak, elm", numbers).replace("id: ${name}", "id: n${name}")
    )

    done = await real.run("plan", "trees.yaml", "--prompts")

    assert done.out.count("    at noon\n") == 150


@pytest.mark.parametrize("asked", [True, False])
async def test_in_json_it_is_a_field_where_it_is_asked_for(real, asked):
    real.write(MANIFEST)

    done = await real.run("plan", "trees.yaml", "--json", *["--prompts"] * asked)

    items = done.of("item")
    assert len(items) == 3
    if asked:
        assert [item["prompt"] for item in items] == [
            "a sword",
            "a oak\nat noon\n",
            "a elm\nat noon\n",
        ]
    else:
        assert not any("prompt" in item for item in items)


async def test_an_item_without_a_prompt_says_so(real):
    real.write("version: 1\nname: trees\nitems:\n  - {id: a, model: model_unknown}\n")

    done = await real.run("plan", "trees.yaml", "--prompts", "--offline")

    assert "    (no prompt)" in done.out.splitlines()
