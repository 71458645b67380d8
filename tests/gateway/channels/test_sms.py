"""Short messages: PDUs bit by bit, and a modem on a real pty that answers, refuses, or is silent."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.sms_modem import ModemOptions, SmsModemChannel
from gateway.channels.sms_pdu import MOST_PARTS, SmsError, check_number, parts, submits
from simulators.sms_modem import SmsModem

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = "跌倒：李奶奶（301），2026-11-22 03:10:00，请立即处理"


def dispatch(text: str = TEXT, number: str = "+8613800000000") -> Dispatch:
    payload = {"text": {"zh": text, "en": "Fall: Li"}}
    return Dispatch(1, "a1", "alert.raised", "sms", "c1", number, Priority.HIGH, payload, 1, "k", "t", 0)


@contextmanager
def on_a_pty(modem: SmsModem) -> Iterator[str]:
    master, slave = pty.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                answer = modem.take(os.read(master, 1024))
            except OSError:
                return
            if answer:
                os.write(master, answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        ended.set()
        modem.silent = True
        os.write(slave, b"\r")
        thread.join()
        os.close(master)
        os.close(slave)


def send(url: str, *dispatches: Dispatch, **more: Any) -> list[Accepted | Refused]:
    async def scene() -> list[Accepted | Refused]:
        channel = SmsModemChannel(ModemOptions(url, **({"answer_s": 30.0, "network_s": 60.0} | more)))
        return [await channel.send(one, 0) for one in dispatches]

    return asyncio.run(scene())


def test_a_chinese_message_arrives_and_a_long_one_in_parts() -> None:
    modem = SmsModem()
    long = TEXT * 3
    with on_a_pty(modem) as url:
        assert send(url, dispatch(), dispatch(long, "13900000000")) == [Accepted("1"), Accepted("2,3")]
    assert modem.sent == [("+8613800000000", TEXT), ("13900000000", long)]


def test_the_cards_pin_and_english() -> None:
    modem = SmsModem(pin="1234")
    with on_a_pty(modem) as url:
        assert send(url, dispatch(), pin=SecretStr("1234"), language="en") == [Accepted("1")]
    assert modem.sent[0][1] == "Fall: Li"
    assert "1234" not in repr(ModemOptions("/dev/x", pin=SecretStr("1234")))


@pytest.mark.parametrize(
    ("modem", "word"),
    [
        (SmsModem(failing=True), "+CMS ERROR: 38"),
        (SmsModem(network=2), "no mobile network"),
        (SmsModem(pin="1234"), "AT+CMGS"),
        (SmsModem(silent=True), "does not answer"),
    ],
)
def test_why_it_did_not_go(modem: SmsModem, word: str) -> None:
    with on_a_pty(modem) as url:
        (result,) = send(url, dispatch(), **({"answer_s": 0.3} if modem.silent else {}))
    assert isinstance(result, Refused)
    assert word in result.error
    assert "跌倒" not in result.error


def test_a_wrong_pin_is_not_told() -> None:
    with on_a_pty(SmsModem(pin="1234")) as url:
        (result,) = send(url, dispatch(), pin=SecretStr("9999"))
    assert isinstance(result, Refused)
    assert "9999" not in result.error


def test_no_modem_and_no_number() -> None:
    (absent,) = send("/dev/there-is-no-modem", dispatch())
    assert isinstance(absent, Refused)
    (nobody,) = send("/dev/there-is-no-modem", dispatch(number="call grandma"))
    assert isinstance(nobody, Refused)
    assert "phone number" in nobody.error


def test_a_pdu_byte_by_byte() -> None:
    (pdu,) = submits("+46708251358", "你", 1)
    assert pdu.hex() == "3100" + "0b91" + "6407281553f8" + "0008" + "0b" + "02" + "4f60"


@given(st.text(max_size=400), st.integers(0, 255))
def test_parts_fit_and_say_everything_that_fits(text: str, reference: int) -> None:
    pieces = parts(text)
    assert 1 <= len(pieces) <= MOST_PARTS
    assert all(len(one) <= (140 if len(pieces) == 1 else 134) for one in pieces)
    said = b"".join(pieces).decode("utf-16-be")
    clean = text.encode("utf-16-be", "replace").decode("utf-16-be")
    assert said == clean or (said.endswith("…") and clean.startswith(said[:-1]))
    for pdu in submits("10086", text, reference):
        assert len(pdu) <= 164


@pytest.mark.parametrize("number", ["", "12", "+", "1234567890123456789012", "138a", "+86;1", "１３８００"])
def test_what_is_no_number(number: str) -> None:
    with pytest.raises(SmsError):
        check_number(number)
