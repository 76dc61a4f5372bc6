"""Init: what a first manifest says, and that it is read back as it was meant."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ManifestError, OutputError, UsageError
from pipeline.manifest import expand, load_manifest
from pipeline.models.record import load_shipped_model
from pipeline.operations.init import (
    choose_file,
    draft_of_prompts,
    ids_for,
    write_first_manifest,
)
from pipeline.operations.init_pictures import (
    draft_of_each,
    draft_of_style,
    find_picture_input,
    find_pictures,
)
from pipeline.operations.init_sheet import draft_of_sheet, read_sheet

WAN = "model_wan-2-7-image"
MODEL = load_shipped_model(WAN)


def items_of(draft, folder: Path):
    """The items of the manifest that a draft becomes, by id."""
    file = folder / "assets.yaml"
    _, count, _ = write_first_manifest(file, draft, models=load_shipped_model)
    items = {item.item_id: item for item in expand(load_manifest(file))}
    assert len(items) == count
    return items


def draft_for(sheet, *, model=MODEL, params=None, look=""):
    """What the defaults make of a sheet."""
    return draft_of_sheet(
        sheet,
        model_id=WAN,
        model=model,
        params=params or {},
        look=look,
        item_id=sheet.ids[0],
        prompt=sheet.prompts[0],
    )


def columns_for(folder: Path, *lines: str, name: str = "a.csv"):
    """The id, the prompt and the inputs that are chosen for a sheet."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sheet = read_sheet(path, folder)
    draft = draft_for(sheet)
    (entry,) = draft.entries
    return entry.item_id, entry.prompt, dict(entry.params), draft.notes


# --- prompts ------------------------------------------------------------------


def test_each_prompt_becomes_an_item_that_is_named_by_its_first_words(tmp_path):
    prompts = ["a gold coin, shiny", "The Gold Coin", "日本", "x" * 99]

    assert [*ids_for(prompts)] == ["gold-coin", "gold-coin-2", "item", "x" * 40]


@settings(max_examples=60)
@given(
    prompts=st.lists(
        st.text(
            st.characters(
                codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")
            )
            | st.sampled_from("$${}#: '\"-[]&*!|>%@`,"),
            min_size=1,
            max_size=40,
        )
        .map(str.strip)
        .filter(lambda text: bool(text) and not text.isspace()),
        min_size=1,
        max_size=4,
    )
)
def test_any_prompt_is_sent_as_it_was_typed(prompts, tmp_path_factory):
    draft = draft_of_prompts(prompts, model_id=WAN, model=MODEL, look="")

    try:
        items = items_of(draft, tmp_path_factory.mktemp("init"))
    except ManifestError as error:  # a character that no manifest may have
        assert all("contains the character" in str(one) for one in error.faults)  # noqa: PT017
        return

    sent = [item.params["prompt"] for item in items.values()]
    assert sent == [*ids_for(prompts).values()]


def test_a_prompt_that_is_a_reserved_name_gets_another_id(tmp_path):
    prompts = ["con", "LPT0", "report", "item-con", "an oak"]
    draft = draft_of_prompts(prompts, model_id=WAN, model=MODEL, look="")

    assert [*items_of(draft, tmp_path)] == [
        *("item-con", "item-lpt0", "item-report", "item-con-2", "oak"),
    ]


def test_a_first_manifest_has_comments_and_points_to_the_schema_beside_it(tmp_path):
    draft = draft_of_prompts(["an oak"], model_id=WAN, model=MODEL, look="flat")

    items_of(draft, tmp_path)

    lines = (tmp_path / "assets.yaml").read_text("utf-8").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=manifest.schema.json"
    assert sum(line.lstrip().startswith("#") for line in lines) > 15
    committed = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
    written = (tmp_path / "manifest.schema.json").read_text("utf-8")
    assert written == committed.read_text("utf-8")


def test_nothing_is_ever_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("assets.yaml").write_text("mine")
    Path("manifest.schema.json").write_text("mine")
    Path("assets-2.yaml").symlink_to("nowhere")

    with pytest.raises(UsageError, match="is there already") as caught:
        choose_file(None, None)

    assert caught.value.hint == "pipeline init assets-3.yaml"
    draft = draft_of_prompts(["an oak"], model_id=WAN, model=MODEL, look="")
    write_first_manifest(Path("b.yaml"), draft, models=load_shipped_model)
    assert Path("manifest.schema.json").read_text() == "mine"
    with pytest.raises(OutputError, match="cannot write assets"):
        write_first_manifest(Path("assets.yaml"), draft, models=load_shipped_model)
    assert Path("assets.yaml").read_text() == "mine"


# --- where it goes ------------------------------------------------------------


def test_the_manifest_is_in_a_folder_that_holds_what_it_is_made_from(
    tmp_path, monkeypatch
):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here / "data", elsewhere):
        folder.mkdir(parents=True)
        (folder / "Meine Liste.csv").write_text("id,prompt\noak,x\n")
    monkeypatch.chdir(here)

    inside = Path("data/Meine Liste.csv")
    outside = elsewhere / "Meine Liste.csv"
    assert choose_file(None, inside) == Path("meine-liste.yaml")
    assert choose_file(None, outside) == elsewhere / "meine-liste.yaml"
    assert choose_file(None, Path("data")) == Path("assets.yaml")
    with pytest.raises(UsageError, match="is not in the folder of the manifest"):
        choose_file(Path("a.yaml"), outside)


def test_only_the_name_of_a_manifest_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match="the name of a manifest") as caught:
        choose_file(Path("my icons"), None)

    assert caught.value.hint == "pipeline init 'my icons.yaml'"


# --- sheets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "item_id", "prompt"),
    [
        (["id,name,prompt", "1,Oak,x", "2,Elm,y"], "${id}", "${prompt}"),
        (["id,name,prompt", "1,Oak,x", "1,Elm,y"], "${name}", "${prompt}"),
        (["id,name,prompt", "a b,An oak,x", "a-b,An elm,y"], "${slug:name}", "${prompt}"),
        (["Name,Beschreibung", "Bärlauch,ein Kraut", "Ulme,ein Baum"], "${slug:Name}", "${Beschreibung}"),
        (["price,what,text", "1,oak,a tall tree", "2,elm,a small tree"], "${what}", "${text}"),
        (["notes,what", "a very tall tree,oak", "a rather small tree,elm"], "${what}", "${notes}"),
        (["group,Item Name,brief", "a,X,one", "b,X,two", "a,Y,two"], "${slug:group}/${slug:Item Name}", "${brief}"),
        (["prompt", "an oak", "an elm"], "${slug:prompt}", "${prompt}"),
        (["name;seed;description", "oak;1;a tree, tall", "elm;2;a tree"], "${name}", "${description}"),
    ],
)  # fmt: skip
def test_the_id_is_different_in_each_row_and_the_prompt_is_found(
    lines, item_id, prompt, tmp_path
):
    assert columns_for(tmp_path, *lines)[:2] == (item_id, prompt)


def test_columns_named_like_inputs_become_inputs_if_their_values_fit(tmp_path):
    _, _, inputs, notes = columns_for(
        tmp_path,
        "id,prompt,Seed,Num Outputs,size,thinking_mode",
        "oak,x,7,2,2K,yes",
        "elm,y,,1,huge,",
    )

    assert inputs == {
        "seed": "${Seed}",
        "numOutputs": "${Num Outputs}",
        "thinkingMode": "${thinking_mode}",
    }
    assert notes == (
        "the column 'size' is no input here: in row 3, 'size' does not take 'huge'",
    )


def test_a_column_may_have_any_name_and_a_sheet_too(tmp_path):
    (tmp_path / "refs $${x}").mkdir()
    path = tmp_path / "refs $${x}" / "it's #1.csv"
    path.write_text(
        'id #,"the ""prompt"": yes",seed #,takes\noak,a: b #c,7,\nelm,x,,2\n'
    )
    sheet = read_sheet(path, tmp_path)
    draft = draft_for(sheet)

    items = items_of(draft, tmp_path)

    assert {name: item.params["prompt"] for name, item in items.items()} == {
        "oak": "a: b #c",
        "elm": "x",
    }
    assert items["oak"].params["seed"] == 7
    assert "takes" not in draft.entries[0].keys


def test_a_column_of_pictures_that_are_there_becomes_the_references(tmp_path):
    (tmp_path / "refs").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "refs" / "a b.png")

    lines = ["id,prompt,sketch", "oak,x,refs/a b.png", "elm,y,refs/a b.png"]
    assert columns_for(tmp_path, *lines)[2] == {"images": '["file:${sketch}"]'}

    _, _, inputs, notes = columns_for(tmp_path, *lines, "yew,z,refs/none.png")
    assert inputs == {}
    assert "in row 4, there is no file 'refs/none.png'" in notes[0]


@pytest.mark.parametrize("name", ["a.csv", "data/a.csv"])
def test_the_sheet_stays_the_source(name, tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / name
    rows = "id;prompt;seed\noak;ein großer Baum, alt;7\nelm;Ulme;\n"
    path.write_bytes(rows.encode("cp1252"))
    sheet = read_sheet(path, tmp_path)
    draft = draft_for(sheet, params={"size": "2K"}, look="flat")

    items = items_of(draft, tmp_path)

    assert {name: item.params["prompt"] for name, item in items.items()} == {
        "oak": "ein großer Baum, alt, flat",
        "elm": "Ulme, flat",
    }
    assert items["oak"].params["seed"] == 7
    assert f"rows: {name}\n" in (tmp_path / "assets.yaml").read_text("utf-8")


def test_an_excel_file_is_read_like_the_same_csv(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Name", "Prompt", "takes"], ["Oak", "a tree", 2], ["Elm", "b", 1]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")

    sheet = read_sheet(tmp_path / "a.xlsx", tmp_path)
    draft = draft_for(sheet, model=None)

    assert draft.entries[0].keys == {"rows": "a.xlsx", "takes": "${takes}"}
    file = tmp_path / "assets.yaml"
    write_first_manifest(file, draft, models=load_shipped_model)
    items = expand(load_manifest(file))
    assert [item.item_id for item in items] == ["Oak", "Oak@2", "Elm"]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["name,prompt", "oak,x", "oak,x"], "3:1: no column has a different value in each row: 'name' is 'oak' here and in row 2; give each row its own, or add a column `id`"),
        (["name,prompt"], "1:1: there are no rows"),
        (["name,prompt", "oak"], "2:1: this row has 1 cells, the header has 2"),
    ],
)  # fmt: skip
def test_a_sheet_that_makes_no_items_is_a_fault_at_its_place(lines, fault, tmp_path):
    with pytest.raises(ManifestError) as caught:
        columns_for(tmp_path, *lines)

    assert str(caught.value.faults[0]).startswith(f"{tmp_path / 'a.csv'}:{fault}")


# --- pictures -----------------------------------------------------------------


def draw(folder: Path, *names: str, **how) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 4), "red").save(folder / name, **how)


def images_of(item):
    return item.params["images"]


def test_each_picture_becomes_an_item_and_the_rest_is_left_out_with_its_reason(
    tmp_path,
):
    refs = tmp_path / "refs"
    names = ["Old Oak.png", "trees/fir.png", "trees/fir.jpg", "con.png", "日本.webp"]
    draw(refs, *names, ".hidden.png", "secrets.png", "run/oak.png", "cut.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    draw(refs, "photo.jpg", exif=turned)
    (refs / "cut.png").write_bytes((refs / "cut.png").read_bytes()[:50])
    (refs / "run" / "ledger.sqlite3").touch()
    (refs / "empty.png").touch()
    (refs / "notes.txt").write_text("hello")
    (refs / "out.png").symlink_to(Path(__file__))

    found = find_pictures(refs, tmp_path)

    reasons = {
        Path(k).relative_to(refs).as_posix(): v for k, v in found.left_out.items()
    }
    assert reasons == {
        ".hidden.png": "hidden",
        "run": "the output folder of a run",
        "cut.png": "damaged: the file ends before the image is complete",
        "empty.png": "is empty",
        "notes.txt": "not a picture",
        "out.png": "is outside the manifest's folder",
        "secrets.png": "is named like a secret: it may contain a secret, so it is not"
        " read",
    }
    into = find_picture_input(MODEL, WAN)
    draft = draft_of_each(found, into, model_id=WAN, params={}, look="")
    items = items_of(draft, tmp_path)
    assert [*items] == [
        *("old-oak", "picture-con", "photo", "picture", "trees/fir", "trees/fir-2")
    ]
    assert [one.path.name for one in images_of(items["trees/fir-2"])] == ["fir.png"]
    assert [one.upright for one in images_of(items["photo"])] == [True]
    assert draft.notes == (
        "refs/photo.jpg is stored turned, as its EXIF data says: it is sent upright",
    )


def test_new_pictures_in_the_style_of_some_use_as_many_as_the_model_takes(tmp_path):
    draw(tmp_path, *(f"{number:02}.png" for number in range(12)))
    found = find_pictures(tmp_path, tmp_path)
    into = find_picture_input(MODEL, WAN)

    prompts = {"coin": "a $${x} coin"}
    draft = draft_of_style(found, into, model_id=WAN, params={}, prompts=prompts)

    (item,) = items_of(draft, tmp_path).values()
    assert len(images_of(item)) == into.max_length
    assert item.params["prompt"] == "a $${x} coin, in the style of images 1 to 9"


def test_a_folder_without_a_picture_and_a_model_without_an_input_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(UsageError, match=r"notes\.txt is left out: not a picture"):
        find_pictures(tmp_path, tmp_path)
    assert MODEL is not None
    without = {n: i for n, i in MODEL.inputs.items() if not i.is_file}
    from pipeline.record import replace

    with pytest.raises(UsageError, match="takes no pictures"):
        find_picture_input(replace(MODEL, inputs=without), WAN)


def test_more_pictures_than_a_manifest_may_have_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.operations.init_pictures.MOST_PICTURES", 2)
    draw(tmp_path, "a.png", "b/c.png", "d/e.png")

    with pytest.raises(UsageError, match="holds more than 2 files"):
        find_pictures(tmp_path, tmp_path)


def test_a_picture_of_a_kind_that_is_not_read_here_is_left_out(tmp_path):
    draw(tmp_path, "a.png")
    (tmp_path / "b.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")

    found = find_pictures(tmp_path, tmp_path)

    assert [*found.left_out.values()] == [
        "a picture that cannot be read here (image/svg+xml); save it as PNG"
    ]


def test_a_model_that_is_not_known_takes_pictures_as_ours_does():
    into = find_picture_input(None, "model_of-our-own")

    assert (into.name, into.is_array) == ("images", True)


def test_one_picture_is_the_style_of_image_1(tmp_path):
    draw(tmp_path, "a.png")
    into = find_picture_input(MODEL, WAN)

    draft = draft_of_style(
        find_pictures(tmp_path, tmp_path),
        into,
        model_id=WAN,
        params={},
        prompts={"coin": "a coin"},
    )

    (item,) = items_of(draft, tmp_path).values()
    assert item.params["prompt"] == "a coin, in the style of image 1"


def test_an_excel_file_without_its_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.operations.init_sheet.is_installed", lambda: False)
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK")

    with pytest.raises(UsageError, match="needs the extra 'xlsx'") as caught:
        read_sheet(path, tmp_path)

    assert "pip install" in caught.value.hint


def test_files_that_are_written_as_such_are_taken_as_they_are(tmp_path):
    draw(tmp_path, "a.png", "b.png")

    _, _, inputs, _ = columns_for(
        tmp_path, "name,what,images", "a,an oak,file:a.png", "b,an elm,file:b.png"
    )

    assert inputs["images"] == '["${images}"]'


def test_a_column_of_files_with_a_gap_is_left_out_with_a_reason(tmp_path):
    draw(tmp_path, "a.png")

    _, _, inputs, notes = columns_for(
        tmp_path, "name,what,images", "a,an oak,a.png", "b,an elm,"
    )

    assert "images" not in inputs
    assert any("not every row has a file" in note for note in notes)
