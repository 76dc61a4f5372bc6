"""Who decides: as git would name them in a commit, else the login name."""

import getpass

import pytest

from pipeline.operations.reviewer import find_reviewer


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Writes what git knows of its user."""

    def write(**user):
        lines = "".join(f"\t{key} = {value}\n" for key, value in user.items())
        path = tmp_path / "gitconfig"
        path.write_text(f"[user]\n{lines}")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))
        monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    return write


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"name": "Ada L", "email": "ada@example.org"}, "Ada L <ada@example.org>"),
        ({"name": "Ada L"}, "Ada L"),
        ({"email": "ada@example.org"}, "ada@example.org"),
        ({"name": '"Ada\\tL"'}, "AdaL"),
    ],
)
def test_git_names_the_reviewer(tmp_path, configure, user, name):
    configure(**user)

    assert find_reviewer(tmp_path) == name


def test_without_a_name_in_git_the_login_name_counts(tmp_path, configure, monkeypatch):
    configure()
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")

    assert find_reviewer(tmp_path) == "ada"


def test_without_git_the_login_name_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")

    assert find_reviewer(tmp_path) == "ada"


def test_a_user_without_a_name_is_nobody(tmp_path, monkeypatch):
    def unknown():
        raise KeyError("uid not found")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(getpass, "getuser", unknown)

    assert find_reviewer(tmp_path) == ""
