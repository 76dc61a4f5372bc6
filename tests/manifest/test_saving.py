"""``save``, ``embed`` and ``checks`` of a manifest: what they mean, and every fault."""

import pytest

from pipeline.errors import ManifestError
from pipeline.manifest import expand, load_manifest, validate_manifest
from pipeline.save_spec import CheckSpec, Fit, SaveSpec, describe_change

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"
ITEM = "items:\n  - id: oak\n    prompt: an oak\n"


@pytest.fixture
def savings(tmp_path):
    def savings(text, **files):
        for name, content in files.items():
            (tmp_path / f"{name}.csv").write_text(content)
        (tmp_path / "m.yaml").write_text(HEAD + text)
        manifest = load_manifest(tmp_path / "m.yaml")
        return {item.item_id: item.saving for item in expand(manifest)}

    return savings


@pytest.fixture
def faults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def faults(text, **files):
        for name, content in files.items():
            (tmp_path / f"{name}.csv").write_text(content)
        (tmp_path / "m.yaml").write_text(HEAD + text)
        with pytest.raises(ManifestError) as caught:
            validate_manifest("m.yaml")
        return [str(fault) for fault in caught.value.faults]

    return faults


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("format: jpg", SaveSpec(format="jpeg")),
        ("format: original", SaveSpec()),
        ("quality: 80", SaveSpec(quality=80)),
        ("resize: 512", SaveSpec(resize=(512, 512))),
        ("resize: 512x256", SaveSpec(resize=(512, 256))),
        ('resize: "512 * 256"', SaveSpec(resize=(512, 256))),
        ("resize: [512, 256]", SaveSpec(resize=(512, 256))),
        ("resize: 9, fit: cover", SaveSpec(resize=(9, 9), fit=Fit.COVER)),
        ("resize: 9, fit: contain", SaveSpec(resize=(9, 9))),
        ("trim: true", SaveSpec(trim=True)),
        ("trim: false", SaveSpec()),
        ("max_bytes: 200kB", SaveSpec(max_bytes=200_000)),
        ("max_bytes: 1.5MiB", SaveSpec(max_bytes=3 << 19)),
        ("max_bytes: 4096", SaveSpec(max_bytes=4096)),
        ("max_bytes: 20K", SaveSpec(max_bytes=20_000)),
    ],
)
def test_each_value_means_this(written, means, savings):
    assert savings(f"save: {{{written}}}\n{ITEM}")["oak"].save == means


def test_checks_and_what_is_embedded(savings):
    saving = savings(
        "embed: true\n"
        "checks: {alpha: true, not_blank: true, min_px: 9, similar_to_another: 0.98}\n"
        + ITEM
    )["oak"]

    assert saving.save == SaveSpec(embed=True)
    assert saving.checks == CheckSpec(
        alpha=True, not_blank=True, min_px=9, similar_to_another=0.98
    )


def test_an_item_overrides_the_top_level_key_by_key(savings):
    found = savings(
        "save: {format: webp, quality: 80, resize: 512}\nembed: true\n"
        "checks: {alpha: true}\n"
        "items:\n"
        "  - {id: a, prompt: x}\n"
        "  - {id: b, prompt: x, save: {resize: 64, fit: pad}, checks: {alpha: false}}\n"
        "  - {id: c, prompt: x, save: false, embed: false}\n"
        "  - {id: d, prompt: x, checks: false}\n"
        "  - {id: e, prompt: x, save: , checks: {min_px: 4}}\n"
    )

    top = SaveSpec(format="webp", quality=80, resize=(512, 512), embed=True)
    assert found["a"].save == found["d"].save == found["e"].save == top
    assert found["b"].save == SaveSpec(
        format="webp", quality=80, resize=(64, 64), fit=Fit.PAD, embed=True
    )
    assert found["b"].checks == found["d"].checks == CheckSpec()
    assert found["c"].save == SaveSpec()
    assert found["c"].checks == CheckSpec(alpha=True)
    assert found["e"].checks == CheckSpec(alpha=True, min_px=4)


def test_values_may_be_variables_of_the_matrix_and_of_rows(savings):
    found = savings(
        "items:\n"
        "  - id: m-${edge}\n    prompt: x\n    matrix: {edge: [64, 32x16]}\n"
        '    save: {format: webp, resize: "${edge}"}\n'
        "  - id: r-${name}\n    prompt: x\n    rows: rows.csv\n"
        '    save: {resize: "${edge}", trim: "${trim}", max_bytes: "${bytes}"}\n'
        '    checks: {min_px: "${least}"}\n',
        rows="name,edge,trim,bytes,least\na,64,true,9kB,5\nb,32x16,no,,\n",
    )

    assert found["m-64"].save == SaveSpec(format="webp", resize=(64, 64))
    assert found["m-32x16"].save.resize == (32, 16)
    assert found["r-a"].save == SaveSpec(resize=(64, 64), trim=True, max_bytes=9000)
    assert found["r-a"].checks == CheckSpec(min_px=5)
    assert found["r-b"].save == SaveSpec(resize=(32, 16))
    assert found["r-b"].checks == CheckSpec()


def test_saving_is_no_part_of_the_request(savings, tmp_path):
    from pipeline.fingerprint import job_key

    def key(text):
        (tmp_path / "m.yaml").write_text(HEAD + text + ITEM)
        (item,) = expand(load_manifest(tmp_path / "m.yaml"))
        return job_key(item.model_id, item.params)

    assert key("") == key("save: {format: webp}\nchecks: {alpha: true}\nembed: true\n")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("save: {format: webpp}", "3:16: 'format' cannot be 'webpp'; did you mean 'webp'?"),
        ("save: {format: WEBP}", "3:16: 'format' cannot be 'WEBP'; did you mean 'webp'?"),
        ("save: {format: gif}", "3:16: 'format' cannot be 'gif'; one of original, png, webp, jpeg, avif"),
        ("save: {format: 1}", "3:16: 'format' must be the name of a format; one of original, png, webp, jpeg, avif"),
        ("save: {format: }", "3:16: 'format' must be the name of a format; one of original, png, webp, jpeg, avif"),
        ("save: {quality: 0}", "3:17: 'quality' must be a whole number from 1 to 100"),
        ("save: {quality: 90.5}", "3:17: 'quality' must be a whole number from 1 to 100"),
        ("save: {quality: true}", "3:17: 'quality' must be a whole number from 1 to 100"),
        ("save: {resize: 0}", "3:16: 'resize' must be one or two edges, from 1 to 16,383 px; write 512, 512x256 or [512, 256]"),
        ("save: {resize: 20000}", "3:16: 'resize' must be one or two edges, from 1 to 16,383 px; write 512, 512x256 or [512, 256]"),
        ("save: {resize: [1, 2, 3]}", "3:16: 'resize' must be one or two edges, from 1 to 16,383 px; write 512, 512x256 or [512, 256]"),
        ("save: {resize: -5x5}", "3:16: 'resize' must be one or two edges, from 1 to 16,383 px; write 512, 512x256 or [512, 256]"),
        ("save: {resize: 5, fit: crop}", "3:24: 'fit' cannot be 'crop'; one of contain, cover, fill, pad"),
        ("save: {trim: yes}", "3:14: 'trim' must be true or false"),
        ("save: {max_bytes: 0}", "3:19: 'max_bytes' must be a number of bytes; write 200000, 200kB or 1.5MB"),
        ("save: {max_bytes: lots}", "3:19: 'max_bytes' must be a number of bytes; write 200000, 200kB or 1.5MB"),
        ("save: {max_bytes: 9e99}", "3:19: 'max_bytes' must be a number of bytes; write 200000, 200kB or 1.5MB"),
        ("save: {formaat: png}", "3:8: unknown key 'formaat'; did you mean 'format'?"),
        ("save: {embed: true}", "3:8: unknown key 'embed'; write `embed: true` beside `save`"),
        ("save: webp", "3:7: save must be a mapping (key: value), not text"),
        ("save: true", "3:7: save must be a mapping (key: value), not true"),
        ("embed: 1", "3:8: 'embed' must be true or false"),
        ("checks: {alpha: 1}", "3:17: 'alpha' must be true or false"),
        ("checks: {min_px: 0}", "3:18: 'min_px' must be a whole number from 1 to 1,000,000"),
        ("checks: {similar_to_another: 98}", "3:30: 'similar_to_another' must be above 0 and at most 1; 1 finds equal pictures only"),
        ("checks: {similar: 1}", "3:10: unknown key 'similar'; known: alpha, min_px, not_blank, similar_to_another"),
        ("save: {format: png, quality: 5}", "3:30: 'quality' is for lossy formats, and png is not one of them; leave it out, or set 'max_bytes'"),
        ("save: {fit: pad}", "3:13: 'fit' needs 'resize', which says what to fit; add it"),
        ("save: {format: jpg}\nchecks: {alpha: true}", "4:17: no file could pass 'alpha': JPEG has no transparency; save as png or webp"),
        ("save: {resize: 64x32}\nchecks: {min_px: 33}", "4:18: no file could pass 'min_px': 'resize' makes 32 px of them; raise 'resize', or lower 'min_px'"),
        ('save: {format: "${f}"}', "3:17: unknown variable 'f'; define it under vars, matrix or rows"),
    ],
)  # fmt: skip
def test_each_fault_is_told_once_at_its_place(written, fault, faults):
    text = f"{written}\n{ITEM}  - {{id: elm, prompt: an elm}}\n"

    assert faults(text) == [f"m.yaml:{fault}"]


def test_what_the_top_level_lacks_an_item_may_give(savings):
    found = savings(
        "save: {fit: pad}\nitems:\n  - {id: a, prompt: x, save: {resize: 9}}\n"
    )

    assert found["a"].save == SaveSpec(resize=(9, 9), fit=Fit.PAD)


def test_faults_of_an_item_are_told_at_the_item_and_all_at_once(faults):
    found = faults(
        "save: {quality: 50}\nitems:\n"
        "  - id: a\n    prompt: x\n    save: {format: png, resize: big, foo: 1}\n"
    )

    assert [fault.partition(": ")[0] for fault in found] == [
        "m.yaml:3:17",
        "m.yaml:7:33",
        "m.yaml:7:38",
    ]


def test_a_value_that_a_row_breaks_is_told_at_its_cell(faults):
    found = faults(
        "items:\n  - id: r-${name}\n    prompt: x\n    rows: rows.csv\n"
        '    save: {resize: "${edge}"}\n',
        rows="name,edge\na,64\nb,huge\n",
    )

    (fault,) = found
    assert fault.startswith("rows.csv:3:3: 'resize' must be")


def test_an_input_beside_the_id_is_still_told_where_it_belongs(faults):
    (fault,) = faults("items:\n  - {id: oak, prompt: x, seed: 5}\n")

    assert fault.endswith("model inputs go under params")


def test_a_recipe_names_what_is_not_the_default_and_what_has_changed():
    spec = SaveSpec(format="webp", resize=(9, 9))

    assert spec.recipe == '{"format": "webp", "resize": [9, 9]}'
    assert SaveSpec().recipe == ""
    assert describe_change("", spec.recipe) == "format and resize"
    assert describe_change(
        spec.recipe, SaveSpec(format="png", resize=(9, 9)).recipe
    ) == ("format")
    assert describe_change("{broken", SaveSpec(trim=True).recipe) == "trim"


def test_a_model_that_makes_no_pictures_is_worth_a_warning(tmp_path):
    from pipeline.models.record import parse_model

    schema = parse_model(
        {"id": "model_v", "capabilities": ["img2video"], "inputs": []}, source="live"
    )
    text = "version: 1\nmodel: model_v\nsave: {trim: true}\nitems:\n  - {id: a}\n"
    (tmp_path / "m.yaml").write_text(text)

    manifest = load_manifest(tmp_path / "m.yaml", models=lambda _: schema)

    (warning,) = manifest.warnings
    assert warning.startswith("model_v makes no pictures: 'save', 'embed' and 'checks'")
