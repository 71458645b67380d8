"""Writes the configuration of the embedded nats-server: loopback, no anonymous access, each user its own topics."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Sequence

# Passwords are 32 random bytes, so the cheapest cost is enough and a thousand devices can reconnect at once.
BCRYPT_ROUNDS = 4
MAX_PAYLOAD = 65_536
MAX_SESSION_PENDING = 65_535
MAX_ACK_PENDING = 32_000
_SUBJECT_LEVELS = {"+": "*", "#": ">", "": "/"}


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """One account of the broker: what it may publish and subscribe to, as MQTT topic filters."""

    name: str
    password_hash: str = field(repr=False)
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Where the broker listens and stores.

    ack_wait_s: after how long an unacknowledged QoS-1 message is sent again; must exceed the gateway's hold time.
    max_ack_pending: unacknowledged messages for each subscription (a filter ending in # counts twice, and one
    session may have 65,535 in all: nats-server's MQTT documentation).
    sync_interval: how often its file store is flushed to the disk; what a power cut may cost, a kill costs nothing.
    probe_every_s, probe_patience_s, probe_misses: how often it is asked whether it works, how long it may take, and how
    many answers in a row must be missing before it counts as hung. Generous, so that a loaded machine does not do it.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 1883
    ack_wait_s: int = 10
    max_ack_pending: int = MAX_ACK_PENDING
    sync_interval: str = "1s"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    probe_every_s: float = 10.0
    probe_patience_s: float = 15.0
    probe_misses: int = 3


def hash_password(password: str) -> str:
    """Bcrypt hash in the form that nats-server reads ($2a$...)."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=BCRYPT_ROUNDS, prefix=b"2a"))
    return hashed.decode()


def topic_to_subject(topic: str) -> str:
    """The NATS subject of an MQTT topic filter: `a/+/b` -> `a.*.b`, `/a/#` -> `/.a.>` (nats-server's MQTT mapping)."""
    return ".".join(_SUBJECT_LEVELS.get(level, level.replace(".", "//")) for level in topic.split("/"))


def share_filters(filters: Sequence[str], max_ack_pending: int = MAX_ACK_PENDING) -> list[tuple[str, ...]]:
    """The filters in shares of which each fits in one session; what does not fit the broker would refuse."""
    room = MAX_SESSION_PENDING // max_ack_pending
    shares: list[tuple[str, ...]] = [()]
    used = 0
    for one in filters:
        weight = 2 if one.endswith("#") else 1
        if used + weight > room and shares[-1]:
            shares.append(())
            used = 0
        shares[-1] += (one,)
        used += weight
    return shares


def render(options: BrokerOptions, users: Sequence[BrokerUser], core_port: int) -> str:
    """The configuration as text. JSON is a subset of what nats-server reads, so nothing needs escaping by hand."""
    mqtt: dict[str, object] = {
        "host": options.host,
        "port": options.port,
        "ack_wait": f"{options.ack_wait_s}s",
        "max_ack_pending": options.max_ack_pending,
    }
    if options.tls_cert is not None:
        mqtt["tls"] = {"cert_file": str(options.tls_cert), "key_file": str(options.tls_key)}
    tree = {
        "server_name": "yinling",
        "host": "127.0.0.1",
        "port": core_port,
        "max_payload": MAX_PAYLOAD,
        "pid_file": str(options.directory / "broker.pid"),
        "log_file": str(options.directory / "broker.log"),
        "logfile_size_limit": 10_000_000,
        "logfile_max_num": 3,
        "jetstream": {
            "store_dir": str(options.directory / "jetstream"),
            "sync_interval": options.sync_interval,
        },
        "mqtt": mqtt,
        "authorization": {"users": [_user(user) for user in users]},
    }
    return json.dumps(tree, indent=1)


def _user(user: BrokerUser) -> dict[str, object]:
    def subjects(topics: tuple[str, ...]) -> list[str]:
        parents = [topic.removesuffix("/#") for topic in topics if topic.endswith("/#")]  # `a/#` means `a` as well
        return list(dict.fromkeys(map(topic_to_subject, (*topics, *parents))))

    return {
        "user": user.name,
        "password": user.password_hash,
        "permissions": {
            "publish": {"allow": subjects(user.publish)} if user.publish else {"deny": [">"]},
            "subscribe": {"allow": subjects(user.subscribe)} if user.subscribe else {"deny": [">"]},
        },
    }


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner may read it."""
    temporary = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
