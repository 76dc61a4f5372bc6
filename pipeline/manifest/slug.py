"""A text for people → a part of an id: ``Crème brûlée!`` → ``creme-brulee``. Pure."""

import re
import unicodedata

_NOT_IN_SLUGS = re.compile(r"[^a-z0-9_]+")
_APOSTROPHES = re.compile("['\u2018\u2019]")
# Letters that Unicode does not take apart into a plain letter and its mark.
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
    }
)


def slug_of(text: str) -> str:
    """Small letters and digits of ASCII, ``_``, and ``-`` for everything between them.

    Accents and apostrophes are dropped. May be empty.
    """
    small = _APOSTROPHES.sub("", text.lower()).translate(_LETTERS)
    plain = "".join(
        char
        for char in unicodedata.normalize("NFKD", small)
        if not unicodedata.combining(char)
    )
    return _NOT_IN_SLUGS.sub("-", plain).strip("-")
