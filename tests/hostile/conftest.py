"""A place with secrets beside it, and commands that have to leave them alone."""

import re
import sqlite3

import pytest
from doubles import place_fixtures, shell_fixtures, workshop_fixtures
from doubles.hostile_files import AN_OAK, CANARY, write
from doubles.place import everything_in
from doubles.watched_loop import pytest_asyncio_loop_factories  # noqa: F401 - hook

command = place_fixtures.command
place = place_fixtures.place
place_of = place_fixtures.place_of
use = place_fixtures.use
shell = shell_fixtures.shell
workshop = workshop_fixtures.workshop


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path.parent / f"{tmp_path.name}-outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "precious.txt").write_text(f"precious {CANARY}")
    (folder / "deep/oak.png.json").write_text(f'{{"secret": "{CANARY}"}}')
    write(folder, ".env", f"TOKEN={CANARY}\nOTHER={CANARY}2\n")
    connection = sqlite3.connect(folder / "theirs.sqlite3")
    connection.execute("CREATE TABLE theirs (secret)")
    connection.commit()
    connection.close()
    return folder


@pytest.fixture
def hostile(place, outside):
    """Type commands, and check all that holds for each of them."""
    write(place.folder, ".env", f"TOKEN={CANARY}\nOTHER={CANARY}2\n")
    write(place.folder, "knobs.yaml", AN_OAK)

    async def check(code, *commands, says=""):
        before = everything_in(outside)
        for command in commands or (("plan",), ("run", "--yes")):
            said = await place.type(*command)
            text = said.out + said.err
            assert "Traceback" not in text
            assert "this is a bug" not in text
            assert CANARY not in text
            assert said.code == code, text
            assert re.search(says, text), text
        assert everything_in(outside) == before
        assert place.submits == 0

    return check
