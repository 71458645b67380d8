"""Short messages through a 4G modem on a serial port: the last resort when the network is down.

Commands of 3GPP TS 27.005 and 27.007. Delivered means that the mobile network has taken every part (`+CMGS:`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import serial

from gateway.channels.base import Accepted, Refused
from gateway.channels.sms_pdu import SmsError, submits

if TYPE_CHECKING:
    from pydantic import SecretStr

    from gateway.channels.base import Dispatch

ESCAPE, SEND = b"\x1b", b"\x1a"
LARGEST_ANSWER = 4096
READ_S = 0.2


class ModemError(OSError):
    """The modem does not answer, or says no; the text has no message and no number in it."""


@dataclass(frozen=True, slots=True)
class ModemOptions:
    """url: the modem's serial port. pin: of the SIM card, None where it wants none.

    answer_s: for a plain command; network_s: for the network to take one part.
    """

    url: str
    baud: int = 115_200
    pin: SecretStr | None = field(default=None, repr=False)
    language: str = "zh-CN"
    answer_s: float = 3.0
    network_s: float = 20.0


class SmsModemChannel:
    """One modem; a contact's address is the phone number. Messages go one after the other."""

    def __init__(self, options: ModemOptions) -> None:
        self._options = options
        self._turn = asyncio.Lock()
        self._reference = 0

    async def aclose(self) -> None:
        """The port is open only while a message is sent."""

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:  # noqa: ARG002 - the channels' common form
        """One attempt."""
        text = dispatch.payload["text"]
        body = str(text["en" if self._options.language == "en" else "zh"])
        async with self._turn:
            self._reference = (self._reference + 1) % 256
            try:
                pdus = submits(dispatch.address, body, self._reference)
                return Accepted(await asyncio.to_thread(self._send, pdus))
            except SmsError as error:
                return Refused(str(error))
            except (OSError, serial.SerialException) as error:
                return Refused(str(error) if isinstance(error, ModemError) else f"the modem: {type(error).__name__}")

    def _send(self, pdus: list[bytes]) -> str:
        with serial.Serial(self._options.url, self._options.baud, timeout=READ_S, write_timeout=2.0) as port:
            modem = _Modem(port, self._options)
            modem.prepare()
            return ",".join(modem.submit(pdu) for pdu in pdus)


class _Modem:
    def __init__(self, port: serial.Serial, options: ModemOptions) -> None:
        self._port = port
        self._options = options

    def prepare(self) -> None:
        """Wake it, unlock the card, and see that it is in a network. Raises ModemError."""
        self._port.write(ESCAPE)  # out of a message that was left half written
        with contextlib.suppress(ModemError):
            self._ask("AT")
        self._ask("ATE0")
        if "SIM PIN" in self._ask("AT+CPIN?") and self._options.pin is not None:
            self._ask(f'AT+CPIN="{self._options.pin.get_secret_value()}"', "AT+CPIN")
        if re.search(r"\+CREG: ?\d,[15]", self._ask("AT+CREG?")) is None and not self._in_4g():
            raise ModemError("the modem is in no mobile network")
        self._ask("AT+CMGF=0")

    def submit(self, pdu: bytes) -> str:
        """Hand one part to the network; its number there. Raises ModemError."""
        self._port.write(f"AT+CMGS={len(pdu)}\r".encode())
        self._until(re.compile(r">"), self._options.answer_s, "AT+CMGS")
        self._port.write(b"00" + pdu.hex().upper().encode() + SEND)
        answer = self._until(re.compile(r"\+CMGS: ?\d+[\s\S]*?OK"), self._options.network_s, "sending")
        found = re.search(r"\+CMGS: ?(\d+)", answer)
        return found[1] if found else ""

    def _in_4g(self) -> bool:
        return re.search(r"\+CEREG: ?\d,[15]", self._ask("AT+CEREG?")) is not None

    def _ask(self, command: str, name: str | None = None) -> str:
        self._port.write(f"{command}\r".encode())
        return self._until(re.compile(r"(?:^|\r\n)OK\r\n"), self._options.answer_s, name or command)

    def _until(self, wanted: re.Pattern[str], seconds: float, name: str) -> str:
        deadline = time.monotonic() + seconds
        heard = ""
        while time.monotonic() < deadline and len(heard) < LARGEST_ANSWER:
            heard += self._port.read(max(1, self._port.in_waiting)).decode("ascii", "replace")
            if wanted.search(heard):
                return heard
            refused = re.search(r"(?:\+CM[ES] )?ERROR(: ?[\w ]+)?", heard)
            if refused is not None and heard.endswith("\n"):
                raise ModemError(f"the modem refuses {name}: {refused[0].strip()}")
        raise ModemError(f"the modem does not answer {name}")
