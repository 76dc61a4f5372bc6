"""Which proxy a URL goes through, as the system says, and what its failures mean.

aiohttp's ``trust_env`` would do it, but it also sends a ``.netrc`` login to
whatever host it finds there, the CDN's included; so we ask for ourselves.
"""

import urllib.request
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from pipeline.errors import UsageError
from pipeline.redaction import SECRETS
from pipeline.settings import is_loopback_url

_SCHEMES = frozenset({"http", "https"})
_LOGIN_WANTED = 407


def find_proxy(url: str) -> str | None:
    """The proxy's URL from environment or system settings; None for a direct way.

    ``https_proxy`` and the like, in either case; where there is none, ``all_proxy``;
    ``no_proxy`` names hosts that are reached directly.

    Raises:
        UsageError: It is a SOCKS proxy, or no URL.
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
        f"{shown_proxy(proxy)!r} is no URL of an HTTP proxy",
        hint="write HTTPS_PROXY like http://proxy.example:3128",
    )
    try:
        parts = urlsplit(proxy)
        _ = parts.port  # looks at it, and raises where it is none
    except ValueError:
        raise no_url from None
    if parts.password:
        for password in (parts.password, unquote(parts.password)):
            SECRETS.learn_login(unquote(parts.username or ""), password)
    if parts.scheme.startswith("socks"):
        raise UsageError(
            f"the proxy {shown_proxy(proxy)} is a SOCKS proxy, which is not supported",
            hint="name an HTTP proxy in HTTPS_PROXY, or go without one:"
            f" NO_PROXY={host.partition(':')[0]}",
        )
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise no_url
    return proxy


def shown_proxy(proxy: str) -> str:
    """Its URL without a login."""
    scheme, mark, rest = proxy.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def proxy_hint(status: int) -> str:
    """What to do about a proxy that does not let us through.

    Args:
        status: Its answer to CONNECT, or 0 when there was none.
    """
    if status == _LOGIN_WANTED:
        return (
            "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT,"
            " special characters as %XX"
        )
    if status:
        return (
            "ask who runs the proxy to let this host through, or name the host in"
            " NO_PROXY to go without it"
        )
    return "check HTTPS_PROXY, or name the host in NO_PROXY to go without a proxy"
