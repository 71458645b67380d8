"""COBS: the published examples, the round trip, chunking, and a bounded buffer on a line that never ends a packet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers import cobs

RUN = bytes(range(1, 255))
EXAMPLES = [  # Cheshire and Baker 1999, and the usual table of examples
    (b"", b"\x01"),
    (b"\x00", b"\x01\x01"),
    (b"\x00\x00", b"\x01\x01\x01"),
    (b"\x00\x11\x00", b"\x01\x02\x11\x01"),
    (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
    (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
    (b"\x11\x00\x00\x00", b"\x02\x11\x01\x01\x01"),
    (RUN, b"\xff" + RUN),
    (b"\x00" + RUN, b"\x01\xff" + RUN),
    (RUN + b"\xff", b"\xff" + RUN + b"\x02\xff"),
    (RUN[1:] + b"\xff\x00", b"\xff" + RUN[1:] + b"\xff\x01\x01"),
    (RUN[2:] + b"\xff\x00\x01", b"\xfe" + RUN[2:] + b"\xff\x02\x01"),
]


@pytest.mark.parametrize(("plain", "encoded"), EXAMPLES)
def test_examples(plain: bytes, encoded: bytes) -> None:
    assert cobs.encode(plain) == encoded
    assert cobs.decode(encoded) == plain


@given(st.lists(st.sampled_from([b"\x00", b"\x01", RUN, b"\xff" * 253, b"abc"]), max_size=12).map(b"".join))
def test_round_trip_never_holds_a_zero_and_keeps_its_bound(data: bytes) -> None:
    encoded = cobs.encode(data)
    assert 0 not in encoded
    assert len(encoded) <= cobs.encoded_size(len(data))
    assert cobs.decode(encoded) == data


@pytest.mark.parametrize("bad", [b"\x05\x01", b"\xff", b"\x02\x00", b"\x00"])
def test_a_bad_packet_raises(bad: bytes) -> None:
    with pytest.raises(cobs.CobsError):
        cobs.decode(bad)


def stream() -> bytes:
    pieces = [b"\x00\x00", cobs.encode(b"one\x00two"), b"\x00", b"\x09bad", b"\x00", b"\x07" * 200, b"\x00"]
    return b"".join([*pieces, cobs.encode(b"last"), b"\x00", b"\x03un"])


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 512])
def test_chunking_changes_nothing(chunk: int) -> None:
    whole = cobs.CobsReader(100)
    expected = whole.feed(stream())
    reader = cobs.CobsReader(100)
    found = [p for at in range(0, len(stream()), chunk) for p in reader.feed(stream()[at : at + chunk])]
    assert found == expected
    assert [(p.data, p.reason, p.size) for p in found] == [
        (b"one\x00two", "", 8),
        (None, "cobs", 4),
        (None, "overlong", 200),
        (b"last", "", 5),
    ]
    assert (reader.packets, reader.bad, reader.skipped_bytes) == (2, 2, 204)


def test_a_line_without_delimiters_is_held_within_bounds() -> None:
    reader = cobs.CobsReader(100)
    noise = np.random.default_rng(3).integers(1, 256, 5_000, dtype=np.uint8).tobytes()
    for _ in range(200):
        assert reader.feed(noise) == []
        assert len(reader._held) == 100
    (lost,) = reader.feed(b"\x00")
    assert (lost.reason, lost.size, lost.raw) == ("overlong", 1_000_000, noise[:100])
    assert [p.data for p in reader.feed(cobs.encode(b"next") + b"\x00")] == [b"next"]
