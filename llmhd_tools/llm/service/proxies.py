"""The proxy that the environment names for an address: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, in either case.

Spelt as people spell them: ``host:port`` is an HTTP proxy, ``socks://`` is SOCKS 5. A value that cannot be used is told
with the variable's name, before anything is sent.
"""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies

from llmhd_tools.errors import UsageError

_SPELT = {"socks": "socks5", "socks5": "socks5", "socks5h": "socks5h", "http": "http", "https": "https"}


def proxy_of(url: str) -> str | None:
    """The proxy's address as httpx2 takes it; None where the address is reached without.

    Raises UsageError where the variable holds no proxy that can be used here.
    """
    address = urlsplit(url)
    proxies = getproxies()
    scheme = address.scheme if proxies.get(address.scheme) else "all"
    given = (proxies.get(scheme) or "").strip()
    if not given or _without(address.hostname or "", address.port, proxies.get("no", "")):
        return None
    name = next((n for n in (f"{scheme}_proxy", f"{scheme}_proxy".upper()) if os.environ.get(n)), "the system's proxy")
    kind, separator, rest = given.rpartition("://")
    found = _SPELT.get(kind.lower() if separator else "http")
    try:
        parts = urlsplit(f"//{rest}")
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0) and not any(map(str.isspace, rest))
    except ValueError:
        sound = False
    if not found or not sound:
        what = "http://HOST:PORT, HOST:PORT or socks5://HOST:PORT"
        raise UsageError(
            f"{name} is no proxy that can be used here; give {what}, unset it, or name the service in NO_PROXY"
        )
    if found.startswith("socks"):
        try:
            import socksio  # noqa: F401
        except ImportError:
            more = "install it, unset the variable, or name the service in NO_PROXY"
            raise UsageError(
                f"{name} names a SOCKS proxy, which needs the package socksio (extra [socks]): {more}"
            ) from None
    return f"{found}://{rest}"


def _without(host: str, port: int | None, exceptions: str) -> bool:
    """Whether NO_PROXY names a host: itself, a domain above it, with or without a port, a network, or ``*`` for all."""
    for name in (part.strip().lower() for part in exceptions.split(",")):
        if name == "*":
            return True
        if _network(name, host):
            return True
        domain, colon, number = name.rpartition(":")
        if colon and number.isdigit() and domain.count(":") != 1 and not _is_address(name):
            if port is None or int(number) != port:
                continue
            name = domain
        name = name.strip("[]").removeprefix("*").lstrip(".")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _network(name: str, host: str) -> bool:
    try:
        return "/" in name and ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
