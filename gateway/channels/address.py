"""Where a webhook may go: the checks that keep a wrong or hostile address from reaching into the local network.

    AddressError    the address is not allowed; the message says why and what to set

Outside addresses need TLS, and every address their name resolves to must be public. The connection is then made to
the very address that was checked, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressError(ValueError):
    """A webhook must not go there."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_url(url: str, *, allow_private: bool) -> httpx.URL:
    """The address, if its form is allowed: https (http only with allow_private), a host, no user.

    Raises AddressError.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise AddressError(f"not an address: {error}") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise AddressError("the address must begin with https:// and name a host")
    if parsed.scheme == "http" and not allow_private:
        raise AddressError("http is not encrypted; use https, or allow_private for a server in the local network")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise AddressError("the port must be between 1 and 65535")
    if parsed.userinfo:
        raise AddressError("the address must not contain a user or password")
    return parsed


async def public_addresses(
    url: httpx.URL, resolver: Resolver, allowed: Callable[[str], bool] | None = None
) -> Sequence[str]:
    """The addresses of the host, when all of them are `allowed` (public by default). Raises AddressError or OSError."""
    addresses = await resolver(url.host, url.port or 443)
    if not addresses:
        raise AddressError(f"{url.host} has no address")
    for address in addresses:
        if not (allowed or is_public)(address):
            raise AddressError(f"{url.host} is inside the local network; set allow_private if that is meant")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is reachable from everywhere, also when it hides an IPv4 address."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF).is_global
    return ip.is_global and not ip.is_multicast
