"""SCAIP over SIP: to a stand-in receiver over UDP, TCP and TLS, and through a real SIP proxy both ways."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.scaip import ScaipChannel, ScaipOptions
from gateway.channels.scaip_codec import reference
from gateway.channels.sip_agent import SipAgent, SipOptions, SipTarget, target_of
from gateway.channels.sip_message import SipError, decode
from simulators.scaip_receiver import Manner, ScaipReceiver, receiving_tcp, receiving_udp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

PAYLOAD = {
    "kind": "fall", "event": "alert.raised", "test": False, "resident": {"id": "r1", "room": "301"}, "devices": [],
    "text": {"zh": "跌倒：李奶奶", "en": "Fall: Li"},
}  # fmt: skip
TAKEN = Accepted(reference("k1"))


def dispatch(attempt: int = 1) -> Dispatch:
    return Dispatch(1, "a1", "alert.raised", "arc", "arc", "", Priority.HIGH, PAYLOAD, attempt, "k1", "t", 0)


def options(*targets: SipTarget, **more: Any) -> ScaipOptions:
    sip = more.pop("sip", SipOptions("1000001"))
    return ScaipOptions(targets, "1000001", sip, **({"answer_s": 30.0} | more))


@asynccontextmanager
async def channel_to(wanted: ScaipOptions) -> AsyncIterator[ScaipChannel]:
    channel = ScaipChannel(wanted)
    try:
        yield channel
    finally:
        await channel.aclose()


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 120))


def at(receiver: ScaipReceiver, transport: str = "udp") -> SipTarget:
    return SipTarget("arc", "127.0.0.1", receiver.port, transport)


def test_taken_only_when_the_receiver_says_so_itself() -> None:
    async def scene() -> None:
        async with receiving_udp(ScaipReceiver()) as receiver:
            async with channel_to(options(at(receiver))) as channel:
                assert await channel.send(dispatch(), 0) == TAKEN
            assert receiver.heard[0] == {
                "ref": reference("k1"), "mty": "ME", "cid": "1000001", "dty": "0005", "crd": "no-voice:",
                "stc": "0009", "pri": "9", "lte": "301", "ite": "跌倒：李奶奶",
            }  # fmt: skip
            async with channel_to(options(at(receiver), answer_s=1.0)) as channel:
                for manner in (Manner.TRANSPORT_ONLY, Manner.OTHER_REFERENCE, Manner.UNAVAILABLE, Manner.BUSY):
                    receiver.manner = manner
                    assert isinstance(await channel.send(dispatch(), 0), Refused), manner
            receiver.manner = Manner.TAKES
            async with channel_to(options(at(receiver))) as channel:
                assert await channel.send(dispatch(), 0) == TAKEN

    run(scene())


def test_over_tcp_one_connection_is_kept_and_a_lost_one_made_anew() -> None:
    async def scene() -> None:
        async with receiving_tcp(ScaipReceiver()) as receiver, channel_to(options(at(receiver, "tcp"))) as channel:
            for _ in range(3):
                assert await channel.send(dispatch(), 0) == TAKEN
            receiver.manner = Manner.HANGS_UP
            result = await channel.send(dispatch(), 0)
            assert isinstance(result, Refused)
            assert "cannot be reached" in result.error
            receiver.manner = Manner.TAKES
            assert await channel.send(dispatch(), 0) == TAKEN

    run(scene())


def test_over_tls_only_with_the_right_certificate(certificate: Path) -> None:
    async def scene() -> None:
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        theirs.load_cert_chain(certificate)
        ours = ssl.create_default_context(cafile=str(certificate))
        ours.check_hostname = False
        async with receiving_tcp(ScaipReceiver(), theirs) as receiver:
            target = at(receiver, "tls")
            async with channel_to(options(target, sip=SipOptions("1000001", tls=ours))) as channel:
                assert await channel.send(dispatch(), 0) == TAKEN
            async with channel_to(options(target)) as channel:
                assert isinstance(await channel.send(dispatch(), 0), Refused)
            assert len(receiver.heard) == 1

    run(scene())


def test_lost_datagrams_are_sent_again() -> None:
    async def scene() -> None:
        receiver = ScaipReceiver(Manner.DEAF_TWICE)
        async with receiving_udp(receiver), channel_to(options(at(receiver))) as channel:
            assert await channel.send(dispatch(), 0) == TAKEN
            assert {tags["ref"] for tags in receiver.heard} == {reference("k1")}

    run(scene())


def test_the_next_receiver_is_asked_at_once_and_each_attempt_begins_with_another() -> None:
    async def scene() -> None:
        busy, good = ScaipReceiver(Manner.BUSY), ScaipReceiver()
        async with receiving_udp(busy), receiving_udp(good), channel_to(options(at(busy), at(good))) as channel:
            assert await channel.send(dispatch(1), 0) == TAKEN
            assert (len(busy.heard), len(good.heard)) == (1, 1)
            assert await channel.send(dispatch(2), 0) == TAKEN
            assert (len(busy.heard), len(good.heard)) == (1, 2)
            good.manner = Manner.BUSY
            result = await channel.send(dispatch(3), 0)
            assert isinstance(result, Refused)
            assert result.error.count("busy") == 4

    run(scene())


def test_a_receiver_that_wants_a_login() -> None:
    async def scene() -> None:
        async with receiving_udp(ScaipReceiver(Manner.WANTS_LOGIN)) as receiver:
            sip = SipOptions("1000001", username="box", password=SecretStr("secret"))
            assert "secret" not in repr(sip)
            async with channel_to(options(at(receiver), sip=sip)) as channel:
                assert await channel.send(dispatch(), 0) == TAKEN
            wrong = SipOptions("1000001", username="box", password=SecretStr("wrong"))
            async with channel_to(options(at(receiver), sip=wrong)) as channel:
                assert await channel.send(dispatch(), 0) == Refused("127.0.0.1: SIP 401")
            async with channel_to(options(at(receiver))) as channel:
                assert await channel.send(dispatch(), 0) == Refused("127.0.0.1: SIP 401")

    run(scene())


def test_the_from_user_is_the_controller() -> None:
    async def scene() -> None:
        async with (
            receiving_udp(ScaipReceiver()) as receiver,
            channel_to(options(at(receiver), sip=SipOptions("another"))) as channel,
        ):
            result = await channel.send(dispatch(), 0)
            assert isinstance(result, Refused)
            assert "identical" in result.error

    run(scene())


def test_the_heartbeat() -> None:
    async def scene() -> None:
        async with receiving_udp(ScaipReceiver()) as receiver, channel_to(options(at(receiver))) as channel:
            assert isinstance(await channel.heartbeat(1, {}, 0), Accepted)
            assert (receiver.heard[0]["mty"], receiver.heard[0]["stc"]) == ("PI", "0102")

    run(scene())


def test_nobody_there() -> None:
    async def scene() -> None:
        targets = (SipTarget("arc", "127.0.0.1", 1, "tcp"), SipTarget("arc", "127.0.0.1", 1))
        async with channel_to(options(*targets, answer_s=0.5)) as channel:
            assert isinstance(await channel.send(dispatch(), 0), Refused)

    run(scene())


def needed(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        (pytest.fail if os.environ.get("YINLING_REQUIRE_ALL") == "1" else pytest.skip)(
            f"{name} is not installed (Debian: apt-get install {name})"
        )
    return str(found)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


KAMAILIO = """
debug=0
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "sanity.so"
request_route {{
    if (!sanity_check("17895", "7")) {{ exit; }}
    if (!mf_process_maxfwd_header("10")) {{ exit; }}
    if ($rU == "arc") {{ $du = "sip:127.0.0.1:{receiver}"; }}
    t_relay();
}}
"""


@asynccontextmanager
async def kamailio(folder: Path, receiver_port: int) -> AsyncIterator[int]:
    """A real SIP proxy that checks every request for being well formed, and passes it on."""
    program, port = needed("kamailio"), free_udp_port()
    path = folder / "kamailio.cfg"
    path.write_text(KAMAILIO.format(port=port, receiver=receiver_port), encoding="ascii")
    command = [program, "-f", str(path), "-DD", "-E", "-m", "16", "-M", "4", "-Y", str(folder)]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.terminate()
        await process.wait()


def test_through_a_real_sip_proxy(tmp_path: Path) -> None:
    async def scene() -> None:
        async with receiving_udp(ScaipReceiver()) as receiver, kamailio(tmp_path, receiver.port) as port:
            through = SipTarget("arc", "127.0.0.1", port)
            async with channel_to(options(through)) as channel:
                results = []
                while TAKEN not in results:
                    results.append(await channel.send(dispatch(), 0))
                    assert len(results) < 5, results
            assert receiver.heard[0]["ref"] == reference("k1")

    run(scene())


def test_what_else_a_peer_may_say_is_answered() -> None:
    async def scene() -> None:
        heard: list[tuple[str, bytes]] = []
        agent = SipAgent(SipOptions("1000001", ("127.0.0.1", 0)), lambda kind, body: heard.append((kind, body)))
        host, port = await agent.listen()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(60)

            def said(method: str) -> bytes:
                head = f"{method} sip:box@{host} SIP/2.0\r\nTo: <sip:box@b>\r\nCall-ID: a\r\nCSeq: 7 {method}\r\n\r\n"
                peer.sendto(b"noise", (host, port))
                peer.sendto(head.encode() + b"hello", (host, port))
                return peer.recv(4096)

            try:
                for method, status in (("OPTIONS", 200), ("MESSAGE", 200), ("INVITE", 405)):
                    answer = decode(await asyncio.to_thread(said, method))
                    assert (answer.status, answer.header("cseq")) == (status, f"7 {method}")
                    assert "tag=" in answer.header("to")
                assert heard == [("", b"hello")]
            finally:
                await agent.aclose()

    run(scene())


def test_receivers_as_sip_addresses() -> None:
    assert target_of("sip:arc@centre.example") == SipTarget("arc", "centre.example")
    assert target_of("sip:arc@centre.example;transport=tls") == SipTarget("arc", "centre.example", 5061, "tls")
    assert target_of("sip:arc@10.0.0.1:5070;transport=TCP") == SipTarget("arc", "10.0.0.1", 5070, "tcp")
    for wrong in ("arc@centre.example", "sip:centre.example", "sip:a@b;transport=ws", "sip:a@b:99999", "sip:a@b:x"):
        with pytest.raises(SipError):
            target_of(wrong)
