"""SCAIP as XML: requests as three makers send them, our own, what is refused, and how alerts map onto codes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kinds import KINDS
from gateway.channels.scaip_codec import (
    CODES,
    ScaipAnswer,
    ScaipError,
    ScaipRequest,
    decode_answer,
    decode_request,
    reference,
    request_of,
)

REAL = [
    (("<mrq><ref>00001A85</ref><cha>0</cha><mty>PI</mty><cid>26317</cid><dty>02</dty><did>00</did><crd>no-voice:</crd>"
     "<stc>102</stc></mrq>"), ("PI", 2, 102)),
    ("<mrq><mty>PI</mty><ref>1998218577</ref><cid>10149471</cid><dty>2</dty></mrq>", ("PI", 2, None)),
    (("<mrq><ref>v6l7eiuzBTfybE7j</ref><cid>999998</cid><dty>0002</dty><mty>PI</mty><stc>0009</stc><lco>002</lco>"
     "<crd>gsm:</crd><cha>0</cha></mrq>"), ("PI", 2, 9)),
    (("<mrq><ref>00001883</ref><cha>0</cha><mty>ME</mty><cid>26317</cid><dty>02</dty><did>00</did>"
     "<crd>gsm:+10000000000</crd><stc>010</stc></mrq>"), ("ME", 2, 10)),
    ("<mrq><ref>1193308443</ref><cid>10149471</cid><dty>3</dty><stc>10</stc><crd>gsm:</crd></mrq>", ("ME", 3, 10)),
    ("<mrq><ref>1925996942</ref><cid>10149471</cid><dty>4</dty><stc>10</stc><crd>gsm:</crd></mrq>", ("ME", 4, 10)),
    (("<mrq><ref>lmepivnFqmI8Jvv1</ref><cid>999998</cid><dty>0002</dty><mty>ME</mty><stc>0067</stc><crd>gsm:</crd>"
     "<cha>0</cha></mrq>"), ("ME", 2, 67)),
    (("<mrq><ref>a1B2c3D4e5F6g7H8</ref><ver>01.00</ver><mty>ME</mty><cid>1000001</cid><dty>0005</dty>"
     "<did>radar-01</did><crd>no-voice:</crd><stc>0009</stc><pri>9</pri><lco>011</lco><lte>卫生间</lte>"
     "<ite>fall suspected, 62 s on floor</ite></mrq>"), ("ME", 5, 9)),
]  # fmt: skip


@pytest.mark.parametrize(("xml", "meaning"), REAL)
def test_requests_as_makers_send_them(xml: str, meaning: tuple[str, int, int | None]) -> None:
    request = decode_request(xml.encode())
    assert (request.mty, request.dty, request.status) == meaning


def test_an_alarm_without_a_status_is_a_manual_one_and_a_heartbeat_is_not() -> None:
    assert decode_request(b"<mrq><ref>1</ref><cid>2</cid><dty>3</dty></mrq>").status == 10
    assert decode_request(b"<mrq><ref>1</ref><cid>2</cid><dty>3</dty><mty>PI</mty></mrq>").status is None


def test_answers() -> None:
    assert decode_answer(b"<mrs><ref>a1</ref><snu>0</snu><mre>0</mre></mrs>") == ScaipAnswer("a1", 0, mre=0)
    assert decode_answer(b"<mrs><ref>a1</ref><snu>7</snu><ste>missing dty</ste></mrs>").ste == "missing dty"
    assert decode_answer(b"<mrs><ref>a1</ref><snu>0</snu><mre>01</mre><cre>62</cre><tnu>gsm:+86</tnu></mrs>").mre == 1


@pytest.mark.parametrize(
    "xml",
    [
        b"", b"<mrs/>", b"<mrs><ref>1</ref></mrs>", b"<mrs><snu>0</snu></mrs>", b"<mrs><ref>1</ref><snu>ok</snu></mrs>",
        b"<mrq><ref>1</ref><snu>0</snu></mrq>", b"<mrs><ref>1</ref><snu>0</snu>", b"\xff\xfe", b"<mrs>" + b"x" * 5000,
        b'<!DOCTYPE a [<!ENTITY b "c">]><mrs><ref>&b;</ref><snu>0</snu></mrs>',
        b'<!DOCTYPE a SYSTEM "file:///etc/hostname"><mrs><ref>1</ref><snu>0</snu></mrs>',
    ],
)  # fmt: skip
def test_what_is_no_answer(xml: bytes) -> None:
    with pytest.raises(ScaipError):
        decode_answer(xml)


@pytest.mark.parametrize("missing", ["ref", "cid", "dty"])
def test_a_missing_mandatory_tag_is_named(missing: str) -> None:
    tags = "".join(f"<{tag}>1</{tag}>" for tag in ("ref", "cid", "dty") if tag != missing)
    with pytest.raises(ScaipError, match=missing):
        decode_request(f"<mrq>{tags}</mrq>".encode())


@given(st.binary(max_size=300))
def test_noise_raises_only_its_own_error(data: bytes) -> None:
    for decode in (decode_answer, decode_request):
        try:
            decode(data)
        except ScaipError:
            continue


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@given(
    ref=st.from_regex(r"[0-9a-zA-Z]{1,16}", fullmatch=True), dty=st.integers(0, 51),
    stc=st.none() | st.integers(0, 127),
    pri=st.none() | st.integers(0, 9), lco=st.none() | st.integers(0, 52), lte=TEXT, ite=TEXT, dte=TEXT,
    mty=st.sampled_from(["ME", "RE", "IN", "PI"]),
)  # fmt: skip
def test_round_trip(**fields: Any) -> None:
    request = ScaipRequest(cid="1000001", did="radar-01", **fields)
    assert decode_request(request.encode()) == request


@given(st.text(max_size=50))
def test_references_fit_the_receivers_pattern_and_stay(key: str) -> None:
    assert reference(key) == reference(key)
    assert len(reference(key)) == 16
    assert reference(key).isascii()
    assert reference(key).isalnum()


def payload(kind: str, event: str = "alert.raised", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind, "event": event, "test": False,
        "resident": {"id": "r1", "display_name": "李奶奶", "room": "卫生间"},
        "devices": [{"id": "60r-radar-0000017", "name": "雷达", "placement": "room", "room": None}],
        "text": {"zh": "跌倒：李奶奶" + "，很长" * 80, "en": "Fall: Li"},
    } | more  # fmt: skip


def asked(given_payload: dict[str, Any]) -> ScaipRequest:
    return decode_request(request_of(given_payload, "key", "1000001", "zh-CN", "no-voice:").encode())


def test_a_fall_as_a_request() -> None:
    request = asked(payload("fall"))
    assert (request.mty, request.dty, request.stc, request.pri, request.lco) == ("ME", 5, 9, 9, 11)
    assert request.did == "r0000017"[-8:]
    assert (request.lte, request.dte) == ("卫生间", "雷达")
    assert len(request.ite) == 128
    assert len(request_of(payload("fall"), "k", "1000001", "zh-CN", "no-voice:").encode()) < 1000


def test_buttons_on_the_wall_and_on_the_body() -> None:
    assert asked(payload("help_call")).dty == 4
    assert asked(payload("help_call", devices=[{"id": "w1", "placement": "wrist"}])).dty == 3
    assert asked(payload("help_call", devices=[])).dty == 3


def test_how_an_alert_ends_and_what_is_only_a_test() -> None:
    assert (asked(payload("fall", "alert.cancelled")).mty, asked(payload("fall", "alert.cancelled")).stc) == ("ME", 19)
    assert (asked(payload("fall", "alert.resolved")).mty, asked(payload("fall", "alert.resolved")).stc) == ("IN", 111)
    assert asked(payload("fall", "alert.updated")).mty == "IN"
    assert (asked(payload("fall", test=True)).stc, asked(payload("fall", test=True)).pri) == (102, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_valid_request(kind: str) -> None:
    request = asked(payload(kind, resident=None, devices=[]))
    assert 0 <= request.dty <= 51
    assert request.stc is not None
    assert request.pri is not None


def test_the_table_names_kinds_that_exist() -> None:
    assert set(CODES) <= set(KINDS)
