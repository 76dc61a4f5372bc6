"""Slugs: texts for people as parts of ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ManifestError
from pipeline.manifest.item_id import check_id
from pipeline.manifest.slug import slug_of

HEAD = "items:\n  - prompt: a ${Item Name}\n    rows: a.csv\n    id: "


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Item Name", "item-name"),
        ("  Oak (tall)  ", "oak-tall"),
        ("Crème brûlée!", "creme-brulee"),
        ("Straße", "strasse"),
        ("ŁÓDŹ", "lodz"),
        ("St. John's", "st-johns"),
        ("1024*1024", "1024-1024"),
        ("1.5", "1-5"),
        ("a_b", "a_b"),
        ("日本", ""),
        ("--", ""),
    ],
)
def test_a_slug_is_what_is_readable_of_a_text(text, slug):
    assert slug_of(text) == slug
    assert slug_of(slug) == slug


@given(st.text(max_size=30))
def test_any_slug_is_a_part_of_an_id(text):
    assert check_id(f"x-{slug_of(text)}-x") is None


def test_a_column_with_blanks_in_its_name_and_cells_can_be_in_an_id(expand_text):
    items = expand_text(
        HEAD + "props/${slug:Item Name}\n", {"a.csv": b"Item Name\nAn oak\nThe elm\n"}
    )

    assert [item.item_id for item in items] == ["props/an-oak", "props/the-elm"]
    assert [item.params["prompt"] for item in items] == ["a An oak", "a The elm"]


def test_an_axis_and_a_variable_can_be_slugs(expand_text):
    items = expand_text(
        "vars: {look: Bold & flat}\nitems:\n  - id: ${slug:look}-${slug:size}\n"
        "    prompt: x\n    params: {size: '${size}'}\n"
        "    matrix: {size: [1024*1024, 2048*2048]}\n"
    )

    ids = [item.item_id for item in items]
    assert ids == ["bold-flat-1024-1024", "bold-flat-2048-2048"]
    assert items[1].params["size"] == "2048*2048"


def test_a_slug_is_text_also_where_a_number_is_wanted(expand_text):
    with pytest.raises(ManifestError, match="takes a number, not the text '5'"):
        expand_text(
            HEAD + "${slug:n}\n    params: {seed: '${slug:n}'}\n",
            {"a.csv": b"Item Name,n\nx,5\n"},
        )


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ("日本", "a.csv:2:1: '日本' has no letter or digit for an id"),
        (
            "x\nOak!\noak?",
            "a.csv:4:1: id 'p-oak' is already taken by another row or co",
        ),
    ],
)
def test_a_cell_without_a_slug_of_its_own_is_a_mistake(
    cells, fault, expand_text, tmp_path
):
    content = f"Item Name\n{cells}\n".encode()

    with pytest.raises(ManifestError) as caught:
        expand_text(HEAD + "p-${slug:Item Name}\n", {"a.csv": content})

    (found,) = caught.value.faults
    assert str(found).removeprefix(f"{tmp_path}/").startswith(fault)


def test_an_unknown_column_is_named_at_its_place(expand_text):
    with pytest.raises(
        ManifestError, match="6:11: unknown variable 'Item Nam2'; did you"
    ):
        expand_text(HEAD + "p-${slug:Item Nam2}\n", {"a.csv": b"Item Name\nx\n"})


def test_the_hint_for_a_wrong_cell_is_a_slug(expand_text):
    with pytest.raises(ManifestError, match=r"or write \$\{slug:Item Name\} in the id"):
        expand_text(HEAD + "p-${Item Name}\n", {"a.csv": b"Item Name\nan oak\n"})
