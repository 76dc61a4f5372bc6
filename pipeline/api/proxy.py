"""Which proxy the system sets for a URL, and what the proxy's failures mean.

aiohttp's ``trust_env`` would do this, but it also sends ``.netrc`` logins to any host
listed there, even the CDN. So we look the proxy up ourselves.
"""

import urllib.request
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from pipeline.errors import UsageError
from pipeline.redaction import SECRETS
from pipeline.settings import is_loopback_url

_SCHEMES = frozenset({"http", "https"})
_LOGIN_REQUIRED = 407


def find_proxy(url: str) -> str | None:
    """The proxy's URL from environment or system settings; None to connect directly.

    Reads ``https_proxy`` and the like, in lower or upper case, or else ``all_proxy``.
    ``no_proxy`` names hosts that are reached directly.

    Raises:
        UsageError: It is a SOCKS proxy, or not a URL.
    """
    if is_loopback_url(url):
        return None
    parts = urlsplit(url)
    return _proxy_of(parts.scheme, parts.netloc.rpartition("@")[2])


@lru_cache(maxsize=64)
def _proxy_of(scheme: str, host: str) -> str | None:
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    no_url = UsageError(
        f"{shown_proxy(proxy)!r} is not the URL of an HTTP proxy",
        hint="set HTTPS_PROXY to something like http://proxy.example:3128",
    )
    try:
        parts = urlsplit(proxy)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        raise no_url from None
    if parts.password:
        for password in (parts.password, unquote(parts.password)):
            SECRETS.learn_login(unquote(parts.username or ""), password)
    if parts.scheme.startswith("socks"):
        raise UsageError(
            f"the proxy {shown_proxy(proxy)} is a SOCKS proxy, which is not supported",
            hint="set HTTPS_PROXY to an HTTP proxy, such as http://127.0.0.1:8118: many"
            " SOCKS programs offer one too, and Privoxy puts one in front of SOCKS; or"
            f" connect without one: NO_PROXY={host.partition(':')[0]}",
        )
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise no_url
    return proxy


def shown_proxy(proxy: str) -> str:
    """A proxy's URL without its login."""
    scheme, mark, rest = proxy.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def proxy_hint(status: int) -> str:
    """What to do about a proxy that does not let a connection through.

    Args:
        status: Its answer to CONNECT, or 0 if there was none.
    """
    if status == _LOGIN_REQUIRED:
        return (
            "the proxy requires a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT,"
            " with special characters as %XX"
        )
    if status:
        return (
            "ask the proxy's administrator to allow this host, or add the host to"
            " NO_PROXY to connect without the proxy"
        )
    return "check HTTPS_PROXY, or add the host to NO_PROXY to connect without the proxy"
