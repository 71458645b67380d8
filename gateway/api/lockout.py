"""Slows down whoever tries wrong keys: a token bucket for each client address, and a lock-out that grows.

A key cannot be guessed; this bounds what guessing costs the box. An address that is locked out cannot shut out the
clients beside it (behind one router they share it): a key that was right before is still looked at.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

ATTEMPTS = 10
REFILL_S = 6.0
"""Ten wrong keys at once, then one every six seconds."""
FIRST_LOCK_S, LONGEST_LOCK_S = 30.0, 900.0
MAX_ADDRESSES = 4_096
MAX_TRUSTED = 1_024


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float
    locked_until_s: float = 0.0
    locks: int = 0


class Lockout:
    """Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._trusted: OrderedDict[bytes, None] = OrderedDict()
        self.refused = 0

    def wait_s(self, address: str, secret: str, now_s: float) -> float:
        """Seconds until this address may try a key again; 0 where it may now."""
        bucket = self._buckets.get(network_of(address))
        if bucket is None or now_s >= bucket.locked_until_s or _digest(secret) in self._trusted:
            return 0.0
        self.refused += 1
        return bucket.locked_until_s - now_s

    def wrong(self, address: str, now_s: float) -> None:
        """A wrong key came from this address."""
        bucket = self._bucket(network_of(address), now_s)
        bucket.tokens = min(ATTEMPTS, bucket.tokens + (now_s - bucket.at_s) / REFILL_S) - 1
        bucket.at_s = now_s
        if bucket.tokens < 1:
            bucket.locked_until_s = now_s + min(FIRST_LOCK_S * 2**bucket.locks, LONGEST_LOCK_S)
            bucket.locks += 1

    def right(self, secret: str) -> None:
        """The key was right; it will be looked at even while its address is locked out."""
        self._trusted[_digest(secret)] = None
        self._trusted.move_to_end(_digest(secret))
        if len(self._trusted) > MAX_TRUSTED:
            self._trusted.popitem(last=False)

    def _bucket(self, network: str, now_s: float) -> _Bucket:
        bucket = self._buckets.setdefault(network, _Bucket(ATTEMPTS, now_s))
        self._buckets.move_to_end(network)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if now_s - bucket.at_s > LONGEST_LOCK_S:
            bucket.locks = 0
        return bucket


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, a /64 of IPv6 (one home has a whole one), else the text."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
