"""Guard: which requests are answered at all, and the headers of every answer.

Any page that the user has open can send requests to this machine. They are refused by
their Host, their Origin and the lack of the token.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from pipeline.report.review.refused import Refused

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_SITE = frozenset({"same-origin", "none"})

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Scripts are files of ours: none may stand in the page or come from a text. The viewer
# of 3D models compiles WebAssembly, makes blobs of textures, and styles itself.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"
    " style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; media-src 'self' blob:;"
    " connect-src 'self' data: blob:; worker-src blob:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
# A file may be anything, such as an SVG with a script in it.
FILE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
)


class Guard:
    """Checks requests.

    Args:
        token: The first part of every path.
        host: The address that the server listens on.
    """

    def __init__(self, token: str, host: str) -> None:
        self._token = token.encode()
        self._names = _LOOPBACK_NAMES | {host.lower()}
        self._any_address = _is_unspecified(host)

    def check(self, path: str, headers: Mapping[str, str]) -> None:
        """Refuse a request that does not come from a page of ours.

        Args:
            path: Its path as it was sent.
            headers: Its headers; names in any case.

        Raises:
            Refused: With 403.
        """
        host = headers.get("Host", "")
        if not self._is_ours(host):
            # A foreign name may lead here: DNS rebinding.
            raise Refused(
                403,
                "this server is not known by that name",
                "open the address that pipeline view has printed",
            )
        origin = headers.get("Origin")
        site = headers.get("Sec-Fetch-Site", "none")
        if origin not in {None, f"http://{host}"} or site not in _OWN_SITE:
            raise Refused(403, "another website sent this request")
        sent = path.lstrip("/").partition("/")[0].encode()
        if not hmac.compare_digest(sent, self._token):
            raise Refused(
                403,
                "the address has no valid token",
                "open the address that pipeline view has printed",
            )

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        # Whoever listens on all addresses may be asked by each; none is a foreign name.
        return self._any_address and _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_unspecified(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on this address."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback
