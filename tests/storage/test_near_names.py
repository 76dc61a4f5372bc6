"""A name that is not there: the one that is meant, and where the two differ."""

import unicodedata

import pytest

from pipeline.storage.near_names import describe_spelling, find_same, near_file


def nfd(text):
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ("café.png", nfd("café.png"), "its 'é' is U+00E9, here it is U+0065 U+0301"),
        (nfd("café.png"), "café.png", "its 'é' is U+0065 U+0301, here it is U+00E9"),
        ("ề", nfd("ề"), "its 'ề' is U+1EC1, here it is U+0065 U+0302 U+0300"),
        (
            "한.png",
            nfd("한.png"),
            "its '한' is U+D55C, here it is U+1112 U+1161 U+11AB",
        ),
        ("åé", "å" + nfd("é"), "its 'é' is U+00E9, here it is U+0065 U+0301"),
    ],
)
def test_it_says_which_letter_is_written_otherwise(there, here, said):
    assert find_same(here, ["other.png", there]) == there
    assert describe_spelling(there, here) == said


@pytest.mark.parametrize("name", ["cafe.png", "café.png"])
def test_a_name_that_is_there_or_is_another_is_not_the_same(name):
    assert find_same(name, ["café.png", "thé.png"]) == ""


@pytest.mark.parametrize("form", [nfd, str], ids=["NFD", "NFC"])
def test_a_file_of_another_normal_form_is_named(tmp_path, form):
    (tmp_path / form("Café")).mkdir()
    (tmp_path / form("Café") / form("thé.png")).touch()
    other = str if form is nfd else nfd

    in_folder = near_file(tmp_path, f"{other('Café')}/{form('thé.png')}")
    in_file = near_file(tmp_path, f"{form('Café')}/{other('thé.png')}")

    assert in_folder.startswith(f"there is '{form('Café')}', spelt otherwise: its 'é'")
    assert in_file.startswith(f"there is '{form('thé.png')}', spelt otherwise: its 'é'")


def test_a_file_of_another_case_is_named(tmp_path):
    (tmp_path / "Logo.PNG").touch()

    assert near_file(tmp_path, "logo.png") == (
        "there is 'Logo.PNG': upper and lower case count"
    )


@pytest.mark.parametrize("text", ["missing.png", "no/such/folder.png", "a/é.png"])
def test_nothing_is_said_where_nothing_is_near(tmp_path, text):
    (tmp_path / "a").touch()

    assert near_file(tmp_path, text) == ""
