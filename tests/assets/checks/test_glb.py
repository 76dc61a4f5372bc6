"""GLB: a whole one passes, and nothing that is cut off or made up does."""

import io

import pytest
import trimesh
from doubles.media import glb_of, pack_glb

from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.glb import check_glb

WHOLE = glb_of()
SCENE = b'{"asset": {"version": "2.0"}}'


@pytest.fixture
def check(tmp_path):
    def check_bytes(content):
        path = tmp_path / "a.glb"
        path.write_bytes(content)
        check_glb(path)

    return check_bytes


def test_a_whole_model_passes(check):
    assert trimesh.load_scene(io.BytesIO(WHOLE), file_type="glb").geometry
    check(WHOLE)
    check(pack_glb((b"JSON", SCENE)))
    check(pack_glb((b"JSON", SCENE), (b"BIN\0", b"1234"), (b"EXTR", b"x")))


@pytest.mark.parametrize("cut_at", [0, 4, 11, 12, 19, 40, len(WHOLE) - 1])
def test_a_model_that_is_cut_off_does_not(check, cut_at):
    with pytest.raises(Damaged):
        check(WHOLE[:cut_at])


BROKEN = {
    "another version": WHOLE[:4] + b"\1\0\0\0" + WHOLE[8:],
    "no chunk": pack_glb(),
    "a binary first": pack_glb((b"BIN\0", b"1234"), (b"JSON", SCENE)),
    "two scenes": pack_glb((b"JSON", SCENE), (b"JSON", SCENE)),
    "no JSON": pack_glb((b"JSON", b"{asset}")),
    "deep JSON": pack_glb((b"JSON", b"[" * 100_000)),
    "a list": pack_glb((b"JSON", b"[]")),
    "no asset": pack_glb((b"JSON", b'{"asset": "2.0"}')),
    "no buffer": pack_glb(
        (b"JSON", b'{"asset": {"version": "2.0"}, "buffers": [{"byteLength": 9}]}')
    ),
    "half a buffer": glb_of(binary=b"12345678"),
    "too long a chunk": WHOLE[:12] + b"\xff\xff\xff\x7f" + WHOLE[16:],
    "more behind it": WHOLE + b"1234",
    "half the head of a chunk": WHOLE[:8]
    + (len(WHOLE) + 4).to_bytes(4, "little")
    + WHOLE[12:]
    + b"1234",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_model_does_not_pass(check, content):
    with pytest.raises(Damaged):
        check(content)
