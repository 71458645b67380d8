"""Keys of the HTTP API: made once, shown once, kept only as a hash.

A key is "yl_" and 32 random bytes as url-safe text (256 bits), so a plain SHA-256 is enough: nobody can guess one.

    KeyChangeError (ValueError)   the key cannot be made or revoked as asked
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from gateway.api.scopes import EVERYBODY, ROLES, Role, Scope
from gateway.audit import append_audit
from gateway.models import ApiKeyRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.database import Database

log = structlog.get_logger(__name__)

PREFIX = "yl_"
RANDOM_BYTES = 32
MAX_TEXT = 128
"""Longer texts cannot be keys and are not even hashed."""
USED_STEP_NS = 3_600_000_000_000
"""`last_used_ns` is written at most once an hour: every write reaches the disk."""


class KeyChangeError(ValueError):
    """A key cannot be made or revoked as asked; the text says why."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. residents: those it may see, `None` for all. Times: UTC nanoseconds."""

    id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    residents: frozenset[str] | None
    active: bool
    created_ns: int
    expires_ns: int | None
    last_used_ns: int | None

    def may_see(self, resident_id: str | None) -> bool:
        """Whether what belongs to this resident (None: to nobody, the site) may be shown."""
        return self.residents is None or (resident_id is not None and resident_id in self.residents)

    def valid_at(self, now_ns: int) -> bool:
        """Whether the key counts now."""
        return self.active and (self.expires_ns is None or now_ns < self.expires_ns)


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key; `secret` is shown this once and never again."""

    key: ApiKey
    secret: str = field(repr=False)


class KeyStore:
    """Makes, checks, lists and revokes keys. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        role: Role,
        *,
        by: str,
        now_ns: int,
        scopes: Iterable[Scope] | None = None,
        residents: Iterable[str] | None = None,
        expires_ns: int | None = None,
    ) -> MadeKey:
        """A new key with the role's scopes, or some of them; for all residents, or only those named.

        Raises KeyChangeError for an empty name, a scope that the role does not have, or an end in the past.
        """
        wanted = ROLES[role] if scopes is None else frozenset(scopes)
        _check(name, role, wanted, expires_ns, now_ns)
        secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        row = ApiKeyRow(
            id=secrets.token_hex(8),
            name=name.strip(),
            key_hash=_hash(secret),
            role=role.value,
            scopes=sorted(wanted),
            residents=[EVERYBODY] if residents is None else sorted(set(residents)),
            active=True,
            created_ns=now_ns,
            expires_ns=expires_ns,
            last_used_ns=None,
        )
        with self._database.write() as session:
            session.add(row)
            detail = {"role": row.role, "scopes": row.scopes, "residents": row.residents, "expires_ns": expires_ns}
            append_audit(
                session, at_ns=now_ns, actor=by, action="api_key.created", subject=f"api_key:{row.id}", detail=detail
            )
        return MadeKey(_key(row), secret)

    def create_first(self, *, by: str, now_ns: int) -> MadeKey | None:
        """On the first run: a key of an administrator. None where any key was ever made."""
        with self._database.read() as session:
            known = session.scalar(select(func.count()).select_from(ApiKeyRow))
        return None if known else self.create("first administrator", Role.ADMIN, by=by, now_ns=now_ns)

    def verify(self, secret: str, now_ns: int) -> ApiKey | None:
        """The valid key with this secret, None for a wrong, revoked or expired one."""
        if not secret.startswith(PREFIX) or len(secret) > MAX_TEXT:
            return None
        hashed = _hash(secret)
        with self._database.read() as session:
            row = session.scalars(select(ApiKeyRow).where(ApiKeyRow.key_hash == hashed)).one_or_none()
        if row is None or not hmac.compare_digest(row.key_hash, hashed):
            return None
        key = _key(row)
        if not key.valid_at(now_ns):
            return None
        if key.last_used_ns is None or now_ns - key.last_used_ns >= USED_STEP_NS:
            self._used(key.id, now_ns)
        return key

    def find(self, key_id: str) -> ApiKey | None:
        """The key as it stands now, None where unknown."""
        with self._database.read() as session:
            row = session.get(ApiKeyRow, key_id)
        return _key(row) if row else None

    def keys(self) -> list[ApiKey]:
        """All keys, the oldest first, revoked ones too."""
        with self._database.read() as session:
            return [_key(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_ns))]

    def revoke(self, key_id: str, *, by: str, now_ns: int) -> None:
        """From now on the key counts no more. Raises KeyChangeError where there is none."""
        with self._database.write() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None:
                raise KeyChangeError(f"no key with id {key_id!r}; list them with `yinling keys list`")
            row.active = False
            append_audit(session, at_ns=now_ns, actor=by, action="api_key.revoked", subject=f"api_key:{key_id}")

    def _used(self, key_id: str, now_ns: int) -> None:
        try:
            with self._database.write() as session:
                session.get_one(ApiKeyRow, key_id).last_used_ns = now_ns
        except OperationalError as error:
            # A full disk must not turn away whoever comes to see what is wrong.
            log.warning("api.key_use_not_written", key=key_id, error=str(error.orig))


def _check(name: str, role: Role, scopes: frozenset[Scope], expires_ns: int | None, now_ns: int) -> None:
    if not name.strip():
        raise KeyChangeError("a key needs a name that says who holds it")
    if beyond := sorted(scopes - ROLES[role]):
        raise KeyChangeError(f"role {role} does not have {', '.join(beyond)}; it has {', '.join(sorted(ROLES[role]))}")
    if expires_ns is not None and expires_ns <= now_ns:
        raise KeyChangeError("the key would have expired already; give a time in the future")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: ApiKeyRow) -> ApiKey:
    role = Role(row.role)
    return ApiKey(
        id=row.id,
        name=row.name,
        role=role,
        scopes=ROLES[role].intersection(Scope(scope) for scope in row.scopes if scope in tuple(Scope)),
        residents=None if EVERYBODY in row.residents else frozenset(row.residents),
        active=row.active,
        created_ns=row.created_ns,
        expires_ns=row.expires_ns,
        last_used_ns=row.last_used_ns,
    )
