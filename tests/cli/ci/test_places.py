"""Places in a repository, and the addresses of pictures that are committed."""

import subprocess

import pytest
from PIL import Image

from pipeline.cli.ci.github import GitHub
from pipeline.cli.ci.places import find_picture_urls, find_pictures, place_in
from pipeline.storage.folder import Folder


def github_of(workspace, **more):
    values = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/n",
        "GITHUB_SHA": "abc123",
        **more,
    }
    from pipeline.cli.ci.github import find_github

    found = find_github(values)
    assert isinstance(found, GitHub)
    return found


@pytest.fixture
def checkout(tmp_path):
    """A repository with one committed picture, one that is not, and a text."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name in ("oak.png", "new.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    subprocess.run(["git", "-C", tmp_path, "add", "oak.png", "notes.txt"], check=True)
    return tmp_path


def test_only_committed_pictures_have_an_address(checkout):
    names = ("oak.png", "new.png", "notes.txt", "gone.png")
    paths = [str(checkout / name) for name in names]

    urls = find_picture_urls(github_of(checkout), [*paths, "/elsewhere/oak.png"])

    assert urls == {paths[0]: "https://github.com/o/n/raw/abc123/oak.png"}


def test_without_a_repository_there_is_no_address(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "oak.png")
    path = str(tmp_path / "oak.png")

    assert find_picture_urls(github_of(tmp_path), [path]) == {}
    assert find_picture_urls(github_of(tmp_path, GITHUB_SHA=""), [path]) == {}


def test_a_place_is_relative_to_the_checkout(checkout):
    inside = place_in(checkout, str(checkout / "icons.yaml"), 3, 4)
    outside = place_in(checkout, "/elsewhere/icons.yaml", 3, 4)
    sheet = place_in(checkout, str(checkout / "rows.xlsx"), 3, 4)

    assert (inside.file, inside.line, inside.column) == ("icons.yaml", 3, 4)
    assert inside.is_inside
    assert (outside.file, outside.is_inside) == ("/elsewhere/icons.yaml", False)
    assert (sheet.file, sheet.line, sheet.column) == ("rows.xlsx", 0, 0)


def test_the_picture_of_an_item_is_its_first(tmp_path):
    for name in ("oak-1.png", "oak-2.png", "elm.webp"):
        (tmp_path / name).write_bytes(b"x")

    assert find_pictures(Folder(tmp_path), "oak") == (str(tmp_path / "oak-1.png"),)
    assert find_pictures(Folder(tmp_path), "elm") == (str(tmp_path / "elm.webp"),)
    assert find_pictures(Folder(tmp_path), "") == ()
