"""The links of a served page: what it was told of is served, nothing else."""

import pytest
from PIL import Image

from pipeline.operations.gallery.links import ShownFile
from pipeline.operations.view.links import ServedLinks
from pipeline.storage.regular_file import RegularFile


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "oak.png"
    Image.new("RGB", (40, 20), "teal").save(path)
    return path


def content_of(path, *, name="", sha256="ab" * 32, media_type="image/png"):
    content = None if path is None else RegularFile(path)
    return ShownFile(
        name=name, content=content, path=path, sha256=sha256, media_type=media_type
    )


def test_a_file_has_a_url_that_changes_with_its_bytes(picture):
    links = ServedLinks()

    first = links.to_file(content_of(picture, name="a b/oak.png"))
    second = links.to_file(content_of(picture, name="a b/oak.png", sha256="cd" * 32))

    assert first == "files/a%20b/oak.png?abababababab"
    assert second == "files/a%20b/oak.png?cdcdcdcdcdcd"
    found = links.find_file("a b/oak.png")
    assert found is not None
    with found.content.open("rb") as file:
        assert file.read() == picture.read_bytes()


def test_a_reference_has_a_name_of_its_own(picture):
    url = ServedLinks().to_file(content_of(picture))

    assert url == f"files/.reference/{'ab' * 32}.png?abababababab"


def test_what_a_page_was_not_told_of_is_not_served(picture):
    links = ServedLinks()
    links.to_file(content_of(None, name="gone.png"))

    assert links.find_file(str(picture)) is None
    assert links.find_file("gone.png") is None
    assert links.draw(f"{'ab' * 32}.webp") is None
    assert links.to_script(content_of(picture)) == ""


def test_a_thumbnail_is_drawn_once(picture):
    links = ServedLinks()
    url = links.to_thumbnail(content_of(picture))

    drawn = links.draw(url.removeprefix("thumbnails/"))
    picture.unlink()

    assert drawn is not None
    assert drawn[:4] == b"RIFF"
    assert links.draw(url.removeprefix("thumbnails/")) == drawn


def test_what_cannot_be_drawn_has_no_thumbnail(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    links = ServedLinks()

    url = links.to_thumbnail(content_of(broken))

    assert links.draw(url.removeprefix("thumbnails/")) is None
    assert links.to_thumbnail(content_of(None, sha256="ef" * 32)) == ""
