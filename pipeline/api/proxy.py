"""Which proxy a URL goes through, as the system says.

aiohttp's ``trust_env`` would do it, but it also sends a ``.netrc`` login to
whatever host it finds there, the CDN's included; so we ask for ourselves.
"""

import urllib.request
from functools import lru_cache
from urllib.parse import urlsplit

from pipeline.settings import is_loopback_url


def find_proxy(url: str) -> str | None:
    """The proxy's URL from environment or system settings; None for a direct way."""
    if is_loopback_url(url):
        return None
    parts = urlsplit(url)
    return _proxy_of(parts.scheme, parts.netloc.rpartition("@")[2])


@lru_cache(maxsize=64)
def _proxy_of(scheme: str, host: str) -> str | None:
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
