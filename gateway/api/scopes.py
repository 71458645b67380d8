"""What a key of the API may do: the one table of scopes and roles."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYBODY = "*"
"""In a key's list of residents: all of them. No resident can have this id."""


class Scope(StrEnum):
    """One thing that a key may be allowed to do."""

    RESIDENTS_READ = "residents:read"
    RESIDENTS_WRITE = "residents:write"
    DEVICES_READ = "devices:read"
    DEVICES_WRITE = "devices:write"
    DEVICES_COMMAND = "devices:command"
    """Telling a device to do something: report its place, ring, measure."""
    CONTACTS_READ = "contacts:read"
    CONTACTS_WRITE = "contacts:write"
    ALERTS_READ = "alerts:read"
    ALERTS_ANSWER = "alerts:answer"
    HISTORY_READ = "history:read"
    HEALTH_READ = "health:read"
    METRICS = "metrics"


class Role(StrEnum):
    """Who holds a key."""

    ADMIN = "admin"
    OPERATOR = "operator"
    """A carer."""
    VIEWER = "viewer"
    """Family, or a display on a wall."""
    INTEGRATOR = "integrator"
    """Another system."""


_SEES = frozenset({Scope.RESIDENTS_READ, Scope.DEVICES_READ, Scope.ALERTS_READ, Scope.HISTORY_READ})

ROLES: Mapping[Role, frozenset[Scope]] = {
    Role.ADMIN: frozenset(Scope),
    Role.OPERATOR: _SEES | {Scope.DEVICES_COMMAND, Scope.CONTACTS_READ, Scope.ALERTS_ANSWER, Scope.HEALTH_READ},
    Role.VIEWER: _SEES,
    Role.INTEGRATOR: _SEES | {Scope.ALERTS_ANSWER, Scope.HEALTH_READ, Scope.METRICS},
}
