"""Every family of simulated devices: one row each, beside its neighbours on the same kind of wire.

To add a family: write its model, then its row in one of the modules here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.families import asked, callers, on_mqtt, on_serial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.played import SimulatedFamily

FAMILIES: Mapping[str, SimulatedFamily[Any]] = {
    row.family: row for row in (*on_serial.ROWS, *callers.ROWS, *on_mqtt.ROWS, *asked.ROWS)
}


def find_family(name: str) -> SimulatedFamily[Any]:
    """The row of a family, by its name or an alias. Raises LookupError that names those there are."""
    for row in FAMILIES.values():
        if name == row.family or name in row.aliases:
            return row
    raise LookupError(f"family {name!r}; allowed: {', '.join(sorted(FAMILIES))}")
