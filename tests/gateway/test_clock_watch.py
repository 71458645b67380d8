"""The clock: SNTP by its bytes and over a real socket, the `Date` of answers, and who is believed."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock_watch import ASSIST, FRESH_S, NTP, ClockBook, kept_in_step, offset_of_date
from gateway.sntp import Offset, SntpError, address_of, ask, decode_answer, encode_request

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_770_091_506_000_000_000
ERA_S = 2_208_988_800


def stamp(at_ns: int) -> int:
    seconds, rest = divmod(at_ns + ERA_S * 10**9, 10**9)
    return ((seconds & 0xFFFFFFFF) << 32) | ((rest << 32) // 10**9)


def answer(cookie: int, received_ns: int, sent_ns: int, *, flags: int = 0x24, stratum: int = 2) -> bytes:
    return (
        bytes([flags, stratum, 6, 0xEC]) + bytes(20) + struct.pack(">QQQ", cookie, stamp(received_ns), stamp(sent_ns))
    )


def test_the_request_is_48_bytes_of_version_4() -> None:
    request = encode_request(0x1122334455667788)
    assert request.hex() == "23" + "00" * 39 + "1122334455667788"


def test_a_vector_of_four_times() -> None:
    """RFC 4330, section 5: offset ((T2-T1)+(T3-T4))/2, delay (T4-T1)-(T3-T2)."""
    found = decode_answer(answer(7, T0 + 10_100_000_000, T0 + 10_200_000_000), 7, T0, T0 + 500_000_000)
    assert found.offset_s == pytest.approx(9.9, abs=1e-6)
    assert found.error_s == pytest.approx(0.2, abs=1e-6)


def test_the_second_era_after_2036_is_understood() -> None:
    later = 2_200_000_000 * 10**9
    assert decode_answer(answer(7, later, later), 7, later, later).offset_s == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (answer(7, T0, T0)[:47], "47 bytes"),
        (answer(8, T0, T0), "another question"),
        (answer(7, T0, T0, flags=0x23), "no answer of a server"),
        (answer(7, T0, T0, flags=0xE4), "does not know"),
        (answer(7, T0, T0, stratum=0), "does not know"),
        (answer(7, T0, T0, stratum=16), "does not know"),
        (answer(7, T0, T0)[:40] + bytes(8), "no time"),
    ],
)
def test_what_is_no_honest_answer_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(SntpError, match=reason):
        decode_answer(data, 7, T0, T0)


@given(st.binary(max_size=80))
def test_any_bytes_are_an_offset_or_an_error(data: bytes) -> None:
    try:
        found = decode_answer(data, 7, T0, T0)
    except SntpError:
        return
    assert found.error_s >= 0


@given(st.integers(-(10**9), 10**9), st.integers(0, 2_000), st.integers(0, 2_000))
def test_the_offset_lies_within_its_error(ahead_ms: int, there_ms: int, back_ms: int) -> None:
    ms = 10**6
    received, sent = T0 + (ahead_ms + there_ms) * ms, T0 + (ahead_ms + there_ms) * ms
    found = decode_answer(answer(7, received, sent), 7, T0, T0 + (there_ms + back_ms) * ms)
    assert abs(found.offset_s - ahead_ms / 1e3) <= found.error_s + 1e-6


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ntp.example", ("ntp.example", 123)),
        ("192.0.2.1:1123", ("192.0.2.1", 1123)),
        ("[2001:db8::1]:1123", ("2001:db8::1", 1123)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]", ("2001:db8::1", 123)),
    ],
)
def test_a_server_by_name_or_address(text: str, meant: tuple[str, int]) -> None:
    assert address_of(text) == meant


@pytest.mark.parametrize("text", ["", ":123", "host:port", "host:0", "host:65536"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time server"):
        address_of(text)


class Server(asyncio.DatagramProtocol):
    """A time server on loopback that is an hour ahead."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        cookie = struct.unpack(">Q", data[40:48])[0]
        for _ in range(2):  # a second answer must do no harm
            self.transport.sendto(answer(cookie, T0 + 3600 * 10**9, T0 + 3600 * 10**9), address)


def test_a_real_question_over_udp() -> None:
    async def body() -> bytes:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        try:
            return await ask("127.0.0.1", transport.get_extra_info("sockname")[1], 99, timeout_s=60)
        finally:
            transport.close()

    assert decode_answer(asyncio.run(body()), 99, T0, T0).offset_s == pytest.approx(3600, abs=1e-6)


def test_nobody_there_is_an_error(free_port: int) -> None:
    with pytest.raises(OSError, match=r".*"):
        asyncio.run(ask("127.0.0.1", free_port, 1, timeout_s=0.2))


def test_a_date_means_the_middle_of_its_second() -> None:
    found = offset_of_date("Tue, 03 Feb 2026 04:05:16 GMT", T0, 1.0)
    assert found == Offset(10.0, 1.0)
    assert offset_of_date("Tue, 03 Feb 2026 04:05:16 -0000", T0, 1.0) == found
    assert offset_of_date(None, T0, 1.0) is None
    assert offset_of_date("yesterday", T0, 1.0) is None


def test_the_time_server_goes_first_and_what_is_old_does_not_count() -> None:
    book = ClockBook(10.0)
    assert book.condition(0.0).bad is None
    book.add(ASSIST, Offset(100.0, 1.0), 0.0)
    assert book.condition(1.0).bad is True
    assert book.condition(1.0).evidence == {"source": ASSIST, "behind_s": 100.0}
    book.add(NTP, Offset(-0.2, 0.01), 10.0)
    assert book.condition(11.0).bad is False
    assert book.condition(11.0 + FRESH_S).bad is None
    book.add(NTP, Offset(-10.4, 0.5), 20_000.0)
    assert book.condition(20_000.0).bad is False
    book.add(NTP, Offset(-10.6, 0.5), 20_000.0)
    assert book.condition(20_000.0).bad is True


def test_whether_the_system_keeps_the_clock(tmp_path: Path) -> None:
    assert kept_in_step(tmp_path) is None
    folder = tmp_path / "run/systemd/timesync"
    folder.mkdir(parents=True)
    assert kept_in_step(tmp_path) is False
    (folder / "synchronized").touch()
    assert kept_in_step(tmp_path) is True
