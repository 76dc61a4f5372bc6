"""Pointers: what Git LFS and git-annex leave in the place of a file."""

import pytest

from pipeline.storage.pointer import MAX_POINTER_BYTES, read_pointer

DIGEST = "a" * 64
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{DIGEST}\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LFS, ("Git LFS", DIGEST, 12345)),
        (LFS.replace("\n", "\r\n"), ("Git LFS", DIGEST, 12345)),
        (LFS.replace("git-lfs.github", "hawser.github"), ("Git LFS", DIGEST, 12345)),
        ("version https://git-lfs.github.com/spec/v1\nsize 9\n", ("Git LFS", "", 9)),
        (
            f"/annex/objects/SHA256E-s12345--{DIGEST}.png\n",
            ("git-annex", DIGEST, 12345),
        ),
        (
            f"../.git/annex/objects/x1/9Q/SHA256-s7--{DIGEST}/SHA256-s7--{DIGEST}",
            ("git-annex", DIGEST, 7),
        ),
        ("/annex/objects/MD5E-s5--0123.png", ("git-annex", "", 5)),
        ("/annex/objects/URL--http&c%%a", ("git-annex", "", -1)),
    ],
)
def test_a_pointer_says_what_it_stands_for(content, expected):
    assert read_pointer(content.encode()) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"version https://example.com/spec/v1\noid sha256:" + DIGEST.encode(),
        b"see " + LFS.encode(),
        b"/annex/objects/x and more text",
        LFS.encode() + b" " * MAX_POINTER_BYTES,
    ],
)
def test_anything_else_is_none(content):
    assert read_pointer(content) is None


def test_it_is_of_a_file_by_what_it_says():
    lfs = read_pointer(LFS.encode())
    annex = read_pointer(b"/annex/objects/MD5E-s5--0123.png")

    assert lfs is not None
    assert annex is not None
    assert lfs.is_of(DIGEST, 1)
    assert not lfs.is_of("b" * 64, 12345)
    assert annex.is_of("b" * 64, 5)
    assert not annex.is_of("b" * 64, 6)
