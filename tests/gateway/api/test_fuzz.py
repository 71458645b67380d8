"""Whatever comes in, the API answers with a result or a problem, and never with an internal fault."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from api_site import ApiSite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from route_table import ROUTES, SPAN

from gateway.api.scopes import Role

IDS = (
    "r1",
    "r2",
    "w1",
    "w2",
    "spare",
    "c1",
    "nurse",
    "nope",
    "r9",
    "w9",
    "*",
    ".",
    "..",
    "手环",
    "a b",
    "%00",
    "x" * 65,
)
ODD_TEXT = (
    "",
    "\x00",
    "\ud800",
    "r1",
    "w1",
    "2026-02-03T04:05:06Z",
    "9999-12-31T23:59:60+23:59",
    "-1",
    "1e999",
    "true",
    "'--",
    "\n",
    "x" * 3000,
)
ODD_NUMBERS = (0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1.5, float("nan"), float("inf"), True, None)
NAMES = (
    "id",
    "resident_id",
    "name",
    "display_name",
    "birth_year",
    "options",
    "order",
    "channel",
    "family",
    "outcome",
    "by",
    "note",
    "active",
)
QUERY_NAMES = (
    "signal",
    "start",
    "end",
    "points",
    "limit",
    "cursor",
    "state",
    "open",
    "kind",
    "resident",
    "since",
    "until",
    "test",
    "active",
    "zz",
)

texts = st.sampled_from(ODD_TEXT) | st.text(max_size=20)
scalars = texts | st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
bodies = st.dictionaries(st.sampled_from(NAMES) | texts, values, max_size=5)
queries = st.dictionaries(
    st.sampled_from(QUERY_NAMES),
    st.sampled_from((*ODD_TEXT, *SPAN.values(), "heart_rate", "raised", "5")) | st.text(max_size=10),
)
routes = st.sampled_from([route for route in sorted(ROUTES) if route[1] != "/api/v1/stream"])
types = st.sampled_from(
    ("application/json", "application/problem+json", "text/plain", "application/x-www-form-urlencoded", "")
)


@pytest.fixture(scope="module")
def open_site(populated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSite]:
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copy(populated, folder / "gateway.sqlite")
    site = ApiSite(folder)
    yield site
    site.close()


def check(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    elif "json" in answer.headers.get("content-type", ""):
        json.loads(answer.content.decode("utf-8"), parse_constant=pytest.fail)


def clean(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def place(path: str, ids: list[str]) -> str:
    for name in ("resident_id", "device_id", "contact_id", "alert_id"):
        path = path.replace("{" + name + "}", ids[0])
    return path


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=routes,
    ids=st.lists(st.sampled_from(IDS) | texts, min_size=1, max_size=1),
    query=queries,
    changes=bodies,
    mix=st.booleans(),
)
def test_no_request_brings_it_down(
    open_site: ApiSite, route: tuple[str, str], ids: list[str], query: dict[str, str], changes: Any, mix: bool
) -> None:
    """Good requests with some fields and parameters replaced, and wholly invented ones."""
    method, path = route
    _, good, good_query = ROUTES[route]
    body = {**good, **changes} if mix and isinstance(good, dict) else changes
    asked = {**good_query, **query} if mix else query
    text = "&".join(f"{clean(name)}={clean(value)}" for name, value in asked.items())
    url = place(path, [clean(one) for one in ids]) + (f"?{text}" if text else "")
    content = json.dumps(body).encode() if method != "GET" else None
    check(open_site.call(method, url, Role.ADMIN, content=content, headers={"Content-Type": "application/json"}))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=routes,
    method=st.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")),
    content=st.binary(max_size=200)
    | st.sampled_from((b"[" * 50_000, b'{"a":' * 9_000, b"1" * 5_000, b"\xff\xfe", b"null")),
    kind=types,
    headers=st.dictionaries(
        st.sampled_from(("Last-Event-ID", "Accept", "X-API-Key", "Range", "Expect", "If-None-Match")),
        st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")),
        max_size=3,
    ),
)
def test_no_bytes_bring_it_down(
    open_site: ApiSite, route: tuple[str, str], method: str, content: bytes, kind: str, headers: dict[str, bytes]
) -> None:
    path = place(route[1], ["r1"])
    given_headers = [(name.encode(), value) for name, value in headers.items()] + [(b"content-type", kind.encode())]
    check_any(open_site.call(method, path, Role.ADMIN, content=content, headers=given_headers))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=st.binary(min_size=1, max_size=200).filter(lambda raw: not set(raw) & set(b"\r\n\0")),
    scheme=st.sampled_from((b"Bearer ", b"bearer", b"", b"Basic ")),
)
def test_no_key_brings_it_down(open_site: ApiSite, secret: bytes, scheme: bytes) -> None:
    answer = open_site.call("GET", "/api/v1/me", None, headers=[(b"authorization", scheme + secret)])
    assert answer.status_code in {401, 429}
    open_site.monotonic_s += 3600


def check_any(answer: Any) -> None:
    """Like `check`; an answer to HEAD has no body."""
    if answer.request.method == "HEAD":
        assert answer.status_code < 500
    else:
        check(answer)
