"""SIP on the wire: read and written, split anywhere, and noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.sip_message import LARGEST, SipError, SipMessage, SipStream, decode, digest_answer

REQUEST = (
    b"MESSAGE sip:box@127.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9\r\nf: <sip:arc@a>;tag=1\r\nt: <sip:box@b>\r\n"
    b"i: call@a\r\nCSeq: 1 MESSAGE\r\nSubject: one\r\n two\r\nl: 5\r\n\r\nhello"
)


def test_short_names_folded_lines_and_the_body() -> None:
    message = decode(REQUEST + b"more than Content-Length")
    assert (message.method, message.uri, message.body) == ("MESSAGE", "sip:box@127.0.0.1", b"hello")
    assert (message.header("call-id"), message.header("subject"), message.header("x")) == ("call@a", "one two", "")


def test_round_trip() -> None:
    message = SipMessage(
        status=200, reason="OK", headers=(("call-id", "a"), ("cseq", "1 MESSAGE")), body="跌倒".encode()
    )
    again = decode(message.encode())
    assert (again.status, again.reason, again.body) == (200, "OK", message.body)
    assert again.header("content-length") == "6"


@pytest.mark.parametrize("size", [1, 3, 7, 64, 512])
def test_a_stream_split_anywhere(size: int) -> None:
    data = b"\r\n\r\n" + REQUEST + b"\r\n" + REQUEST * 2
    stream, found = SipStream(), []
    for start in range(0, len(data), size):
        found += stream.feed(data[start : start + size])
    assert [message.body for message in found] == [b"hello"] * 3


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 abc OK\r\n\r\n", b"\xff\r\n\r\n",
     b"MESSAGE a SIP/2.0\r\nno colon\r\n\r\n",
     b"MESSAGE a SIP/2.0\r\nl: 9\r\n\r\nx", b"MESSAGE a SIP/2.0\r\nl: -1\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(SipError):
        decode(data)


def test_a_stream_is_bounded() -> None:
    with pytest.raises(SipError):
        SipStream().feed(b"x" * (LARGEST + 1))
    with pytest.raises(SipError):
        SipStream().feed(b"MESSAGE a SIP/2.0\r\nl: 999999\r\n\r\n")


@given(st.binary(max_size=400))
def test_noise_raises_only_its_own_error(data: bytes) -> None:
    for act in (decode, SipStream().feed):
        try:
            act(data)
        except SipError:
            continue


def test_the_digest_of_the_rfc() -> None:
    """RFC 2617 section 3.5 without qop, and the same nonce with it."""
    challenge = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    answer = digest_answer(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer
    assert "qop=auth, nc=00000001" in digest_answer(challenge + ', qop="auth,auth-int"', "M", "C", "GET", "/")
    assert "SHA-256" in digest_answer(challenge + ", algorithm=SHA-256", "M", "C", "GET", "/")


@pytest.mark.parametrize("challenge", ["Basic realm=x", "Digest realm=x", 'Digest nonce="1", algorithm=MD5-sess'])
def test_a_login_that_is_not_known(challenge: str) -> None:
    with pytest.raises(SipError):
        digest_answer(challenge, "u", "p", "MESSAGE", "sip:a")
