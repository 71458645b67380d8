"""The words of a played device: what it is, what can happen to it, and what must come of that.

A family of simulated devices is one row (`SimulatedFamily`) of a table: its model without I/O, the wire it is on, and
its actions. `simulators.families` has them all; whoever adds a model adds a row there and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from simulators.wires import Accounts, Way, Wire

Model = TypeVar("Model")
Value = float | bool | str


@dataclass(frozen=True, slots=True)
class Node:
    """One device behind another: of a Zigbee bridge, a Bluetooth gateway, a network server, a bus of contacts.

    name: as its protocol calls it. model: which one of those that the family knows.
    """

    name: str
    model: str = ""
    resident: str | None = None
    room: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One device on a wire of its own. family: a row of the table. options: of the model.

    resident, room: whose it is and where. gateway: what a gateway has to be told about it (options of its driver).
    """

    id: str
    family: str
    options: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    resident: str | None = None
    room: str = ""
    gateway: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gateway must make of an action: an alert of this kind, or this value of a signal in the history.

    option: the action's option that says the value, where it is not always the same. after_s: how long it must last
    until a gateway may conclude it (limits have a delay). once: a single measurement, which must be there once.
    """

    alert: str | None = None
    signal: str | None = None
    value: Value | None = None
    option: str = ""
    after_s: float = 0.0
    once: bool = False

    def expected(self, options: Mapping[str, Any]) -> Value | None:
        """The value that must be in the history, None for an alert."""
        if self.signal is None:
            return None
        found: Value | None = options.get(self.option, self.value)
        return found


@dataclass(slots=True)
class Doing:
    """One action as it is carried out. at_ns: when it truly happened; an act may correct it (the impact of a fall)."""

    node: str
    options: Mapping[str, Any]
    now_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Action(Generic[Model]):
    """act(model, doing): carry it out; gives what goes over the wire at once. outcome: what must follow."""

    act: Callable[[Model, Doing], object]
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class SimulatedFamily(Generic[Model]):
    """One row. family: the driver's name. model(device, rng): makes the model. known_as(device, node): the id under
    which a gateway knows a node.
    """

    family: str
    model: Callable[[SimulatedDevice, np.random.Generator], Model]
    wire: Wire
    actions: Mapping[str, Action[Model]]
    aliases: tuple[str, ...] = ()
    known_as: Callable[[SimulatedDevice, str], str] = lambda _device, node: node


class Played:
    """A device of a scenario on its wire."""

    def __init__(
        self, row: SimulatedFamily[Any], device: SimulatedDevice, accounts: Accounts, rng: np.random.Generator
    ) -> None:
        self.row = row
        self.device = device
        self.model = row.model(device, rng)
        self.way: Way = row.wire.connect(self.model, device, accounts)

    def happen(self, do: str, options: Mapping[str, Any], now_ns: int) -> int:
        """Carry out an action; gives when it truly happened. Raises KeyError for one that the family does not have."""
        doing = Doing(str(options.get("node", "")), options, now_ns, now_ns)
        self.way.send(self.row.actions[do].act(self.model, doing))
        return doing.at_ns
