"""Media: what plays passes; what is damaged, empty or another file does not."""

import struct

import pytest
from doubles.media import sound_of, video_of

from pipeline.assets.checks.content import check_content
from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.media import MEDIA_TYPES, check_media
from pipeline.storage.media_type import media_type_of

PLAYABLE = {
    **{name: video_of(name) for name in ("mp4", "mov", "webm")},
    **{name: sound_of(name) for name in ("mp3", "wav", "flac", "ogg", "m4a", "aac")},
}


@pytest.fixture
def check(tmp_path):
    def check_bytes(content, media_type=""):
        path = tmp_path / "a"
        path.write_bytes(content)
        check_media(path, media_type or media_type_of(content))

    return check_bytes


@pytest.mark.parametrize("content", PLAYABLE.values(), ids=PLAYABLE)
def test_what_plays_passes(check, content):
    assert media_type_of(content) in MEDIA_TYPES
    check(content)


def test_a_silent_video_passes(check):
    check(video_of("mp4", with_sound=False))


@pytest.mark.parametrize("name", ["mp4", "mov", "webm", "mp3", "wav", "flac", "m4a"])
def test_the_first_third_of_a_file_does_not(check, name):
    content = PLAYABLE[name]

    with pytest.raises(Damaged):
        check(content[: len(content) // 3], media_type_of(content))


def test_pictures_that_cannot_be_decoded_do_not_pass(check):
    content = bytearray(video_of("mp4"))
    start = content.index(b"mdat") + 4
    (length,) = struct.unpack(">I", content[start - 8 : start - 4])
    content[start : start + length - 8] = bytes(length - 8)

    with pytest.raises(Damaged):
        check(bytes(content))


def test_a_list_of_other_files_is_never_followed(check, tmp_path):
    other = tmp_path / "other.mp4"
    other.write_bytes(video_of("mp4"))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n"

    for media_type in sorted(MEDIA_TYPES):
        with pytest.raises(Damaged):
            check(playlist.encode(), media_type)


def test_without_the_library_a_video_is_taken_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom and nothing more")
    with pytest.raises(Damaged):
        check_content(path, "video/mp4")

    monkeypatch.setitem(__import__("sys").modules, "av", None)
    monkeypatch.setattr("pipeline.assets.checks.media.find_spec", lambda _name: None)

    assert check_content(path, "video/mp4") is None
