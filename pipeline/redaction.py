"""Redaction: removes the secrets that this process knows from texts.

There is one redactor, ``SECRETS``. Code that finds credentials registers them there,
and a secret stays registered until the process ends. SECURITY.md lists the places where
texts are redacted.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 12  # characters; the service's keys have more than twenty
SECRET_MARK = "[secret]"  # noqa: S105 - replaces a secret
SIGNED_MARK = "[signed]"

# The queries of CloudFront's and S3's signed URLs, plain or quoted in another URL.
_SIGNED_NAMES = ("Policy", "Signature", "Key-Pair-Id", "X-Amz-")
_VALUE = r"(?:=|%3D)[^\s\"'<>&;,\\]"
_SIGNED = re.compile(
    rf"(?:Policy|Signature|Key-Pair-Id){_VALUE}{{8,}}|X-Amz-[A-Za-z-]+{_VALUE}+",
    re.IGNORECASE | re.ASCII,
)
# JSON may escape any character. Each match is one token, so that an escaped backslash
# is not mistaken for the beginning of another escape.
_ESCAPE = re.compile(r"\\(?:u00([2-7][0-9A-Fa-f])|.)", re.DOTALL)


class Redactor:
    """Knows secrets in every form in which an answer or a library may show them."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._learning = threading.Lock()

    def learn(self, *secrets: str) -> None:
        """Register secrets; those below ``SHORTEST_SECRET`` characters are ignored.

        A short secret may be a word, and words must not be removed from prompts.
        """
        forms = {
            form
            for secret in secrets
            if len(secret) >= SHORTEST_SECRET
            for form in _forms_of(secret)
            if len(form) >= SHORTEST_SECRET
        }
        with self._learning:
            # The longest first, because one form may be part of another. The tuple is
            # replaced as a whole, because other threads read it.
            self._forms = tuple(sorted(forms.union(self._forms), key=len, reverse=True))

    def learn_login(self, name: str, password: str) -> None:
        """Register a password and its Basic authentication, but not the name alone."""
        pair = f"{name}:{password}"
        login = base64.b64encode(pair.encode(errors=_BYTES))
        self.learn(password, pair, login.decode())

    def holds(self, text: str) -> bool:
        """Whether the text contains a known secret."""
        return any(form in text for form in self._forms)

    def clean(self, text: str) -> str:
        """The text without known secrets and without the queries of signed URLs."""
        text = self._without_secrets(text)
        lowered = text.lower() if "=" in text or "%" in text else ""
        if any(name.lower() in lowered for name in _SIGNED_NAMES):
            text = _SIGNED.sub(SIGNED_MARK, text)
        return text

    def clean_answer(self, body: bytes, *, keeps_urls: bool = False) -> bytes:
        """A body from the service, JSON or not, cleaned as by :meth:`clean`.

        Args:
            body: In UTF-8; everything to remove is ASCII.
            keeps_urls: Keep signed URLs, if they are needed.
        """
        text = body.decode("latin-1")
        if "\\u00" in text or "\\/" in text:
            text = _ESCAPE.sub(_plain, text)
        text = self._without_secrets(text) if keeps_urls else self.clean(text)
        return text.encode("latin-1")

    def _without_secrets(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, SECRET_MARK)
        return text


SECRETS = Redactor()


_BYTES = "surrogateescape"  # what the environment holds need not be UTF-8


def _forms_of(secret: str) -> Iterator[str]:
    """The secret in plain text and base64, each also quoted for URLs and JSON."""
    data = secret.encode(errors=_BYTES)
    encoded = (
        base64.b64encode(data).decode().rstrip("="),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        *_inside_base64(data),
    )
    for text in (secret, *encoded):
        as_url = quote(text, safe="", errors=_BYTES)
        yield text
        yield as_url
        yield quote_plus(text, errors=_BYTES)
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), as_url)
        yield json.dumps(text)[1:-1]


def _inside_base64(data: bytes) -> Iterator[str]:
    """The base64 characters that the bytes produce at any offset in a larger text."""
    for before, first in enumerate((0, 2, 3)):
        encoded = base64.b64encode(bytes(before) + data)
        yield encoded[first : (before + len(data)) * 8 // 6].decode()


def _plain(escape: re.Match[str]) -> str:
    if escape[0] == "\\/":
        return "/"
    char = chr(int(escape[1], 16)) if escape[1] else ""
    return char if char and char.isprintable() and char not in '"\\' else escape[0]
