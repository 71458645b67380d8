"""Asks Modbus input modules on a serial bus or by TCP, several times a second, through pymodbus.

Every answer is handed on as the RTU frame it would be on a serial bus, whichever way it came. A module that does not
answer gives the exception that a Modbus gateway would give for it; only when none answers the line is down.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse

from device_drivers.modbus_io import frames
from device_drivers.transports.polled import AskError, PolledLine, PollOptions

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from pymodbus.pdu import ModbusPDU

TCP, RTU = "modbus+tcp", "modbus+rtu"
DEFAULT_PORT = 502
PYMODBUS_LOG = "pymodbus.logging"
"""It would report a module that is away as an error at every question; the line's health says so once."""


class _Client(Protocol):
    """What both clients of pymodbus have."""

    def connect(self) -> bool: ...
    def close(self) -> None: ...
    def read_discrete_inputs(self, address: int, *, count: int, device_id: int) -> ModbusPDU: ...
    def read_coils(self, address: int, *, count: int, device_id: int) -> ModbusPDU: ...


def is_modbus(url: str) -> bool:
    """Whether a line with this URL is a Modbus bus."""
    return url.startswith((f"{TCP}://", f"{RTU}://"))


class ModbusPoll(PolledLine):
    """One bus. options.url: `modbus+tcp://host:502` or `modbus+rtu:///dev/ttyUSB0`; requests: one for each module.

    Raises ValueError for a URL that is neither.
    """

    def __init__(
        self,
        options: PollOptions,
        requests: Sequence[frames.Request],
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int] = time.time_ns,
        baud: int = 9_600,
        parity: str = "N",
    ) -> None:
        super().__init__(options, loop, clock)
        self._requests = tuple(requests)
        logging.getLogger(PYMODBUS_LOG).setLevel(logging.CRITICAL)
        self._client = _client(options, baud, parity)
        self._open = False

    def _ask(self) -> bytes:
        if not self._open and not self._client.connect():
            raise AskError(f"cannot connect to {self.options.url}")
        self._open = True
        answers = [self._ask_one(one) for one in self._requests]
        if not any(answers):
            raise AskError(f"no module on {self.options.url} answers")
        missing = frames.NO_ANSWER
        return b"".join(
            found or frames.exception(one.unit, one.function, missing)
            for one, found in zip(self._requests, answers, strict=True)
        )

    def _ask_one(self, one: frames.Request) -> bytes | None:
        """The module's answer as an RTU frame; None where it does not answer."""
        coils = one.function == frames.FUNCTIONS["coils"]
        read = self._client.read_coils if coils else self._client.read_discrete_inputs
        try:
            said = read(one.first, count=one.count, device_id=one.unit)
        except ModbusException as error:
            self.health.last_error = f"unit {one.unit}: {error}"
            return None
        if isinstance(said, ExceptionResponse):
            return frames.exception(one.unit, one.function, said.exception_code)
        if said.isError() or len(said.bits) < one.count:
            self.health.last_error = f"unit {one.unit}: {said}"
            return None
        return frames.answer(one.unit, one.function, said.bits[: one.count])

    def _hang_up(self) -> None:
        self._open = False
        self._client.close()


def _client(options: PollOptions, baud: int, parity: str) -> _Client:
    parts = urlsplit(options.url)
    if parts.scheme == TCP and parts.hostname:
        port = parts.port or DEFAULT_PORT
        return ModbusTcpClient(parts.hostname, port=port, timeout=options.timeout_s, retries=0)
    if parts.scheme == RTU and parts.path not in ("", "/"):
        return ModbusSerialClient(parts.path, baudrate=baud, parity=parity, timeout=options.timeout_s, retries=0)
    raise ValueError(f"{options.url!r} is no Modbus bus: write {TCP}://host:502 or {RTU}:///dev/ttyUSB0")
