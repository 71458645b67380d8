"""The gate: deny by default, scopes, whose data, lock-out, bounded bodies, headers, and errors as problems."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from api_site import SECOND, ApiSite
from route_table import OPEN, ROUTES, A, C, D, E, H, R, api_routes
from sqlalchemy import event

from gateway.api.app import DOCS_PATH, OPENAPI_PATH
from gateway.api.gate import MAX_BODY, OPEN_PATHS
from gateway.api.keys import USED_STEP_NS
from gateway.api.lockout import ATTEMPTS, FIRST_LOCK_S
from gateway.api.open_paths import OPEN_PREFIXES
from gateway.api.scopes import ROLES, Role, Scope

OTHERS = {"resident_id": "r2", "device_id": "w2", "contact_id": "c2", "hold_id": "1"}
OTHERS["purpose"] = "fall_recordings"
LISTS = {R, D, A, H, "/api/v1/stream", "/api/v1/health", "/api/v1/me", "/metrics", "/api/v1/statistics"}
LISTS |= {"/api/v1/tasks/coverage"}
"""Routes that name nobody: they show less to a key for some residents instead of nothing."""


def fill(path: str, **ids: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)


def ask(site: ApiSite, route: tuple[str, str], key: Role | str | None, **ids: str) -> Any:
    _, body, query = ROUTES[route]
    return site.call(route[0], fill(route[1], **ids), key, json=body, params=query or None)


def test_the_table_above_names_every_route(site: ApiSite) -> None:
    assert set(api_routes()) == set(ROUTES) | OPEN
    assert {path for _, path in OPEN} == OPEN_PATHS | {prefix + "{token}" for prefix in OPEN_PREFIXES}
    described = site.get(OPENAPI_PATH).json()["paths"]
    assert {(method.upper(), path) for path, item in described.items() for method in item} == set(api_routes())


def test_without_a_key_nothing_is_given(site: ApiSite) -> None:
    paths = [(method, fill(path, alert_id="a", **OTHERS)) for method, path in ROUTES]
    paths += [("GET", OPENAPI_PATH), ("GET", DOCS_PATH), ("GET", "/api/nothing"), ("OPTIONS", R), ("GET", "/metrics/x")]
    for method, path in paths:
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic YWJj"}, {"X-API-Key": ""}):
            answer = site.call(method, path, None, headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (401, "urn:yinling:problem:no-key"), path
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_open_routes_say_little(site: ApiSite) -> None:
    assert site.get("/health/live", None).json() == {"status": "alive"}
    assert site.get("/health/ready", None).json() == {"status": "ready"}
    assert site.call("POST", "/api/v1/assist/callback", None, content=b"{}").status_code == 404


def test_what_lies_elsewhere_is_not_guarded(site: ApiSite) -> None:
    assert site.get("/console", None).status_code == 404
    assert site.get("/apiary", None).status_code == 404


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_exactly_what_its_scopes_allow(site: ApiSite, role: Role) -> None:
    alert = site.fall("r2")
    for route, (scope, _, _) in ROUTES.items():
        if route[1] == "/api/v1/stream" and scope in ROLES[role]:
            continue  # it would never end; see the tests of the stream
        answer = ask(site, route, role, alert_id=alert, **OTHERS)
        allowed = scope is None or scope in ROLES[role]
        assert (answer.status_code != 403) == allowed, route
        assert answer.status_code < 500, route
        if not allowed:
            assert str(scope) in answer.json()["detail"]


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_with_one_scope_passes_only_there(site: ApiSite, scope: Scope) -> None:
    secret = site.key(Role.ADMIN, scopes=[scope]).secret
    alert = site.fall("r2")
    for route, (needed, _, _) in ROUTES.items():
        if route[1] != "/api/v1/stream" or needed is not scope:
            answer = ask(site, route, secret, alert_id=alert, **OTHERS)
            assert (answer.status_code == 403) == (needed not in (None, scope)), route


def test_a_key_for_one_resident_sees_nothing_of_another(site: ApiSite) -> None:
    """Whatever names another resident, or what belongs to one, is as if it did not exist."""
    secret = site.key(Role.ADMIN, residents=["r1"]).secret
    alert = site.fall("r2")
    before = (
        site.registry.resident("r2"),
        site.registry.assignments(),
        site.registry.contacts("r2"),
        site.alerts.get(alert),
    )
    for route in set(ROUTES) - {("GET", path) for path in LISTS} - {("POST", H + "/{hold_id}/end")}:
        answer = ask(site, route, secret, alert_id=alert, **OTHERS)
        needs_all = route in {("POST", R), ("POST", D)} or (route[1].startswith(E) and "preview" not in route[1])
        assert answer.status_code == (403 if needs_all else 404), route
        nobody = {"alert_id": "nope", "resident_id": "nope", "device_id": "nope", "contact_id": "nope"}
        unknown = ask(site, route, secret, **nobody, purpose=OTHERS["purpose"])
        if not needs_all and "{" in route[1]:
            assert unknown.json() | {"detail": ""} == answer.json() | {"detail": ""}, route
            ids = {"alert_id": alert, **OTHERS}
            named = ids[re.findall(r"\{(\w+)\}", route[1])[0]]
            assert answer.json()["detail"].replace(named, "nope") == unknown.json()["detail"], route
    after = (
        site.registry.resident("r2"),
        site.registry.assignments(),
        site.registry.contacts("r2"),
        site.alerts.get(alert),
    )
    assert after == before


def test_lists_show_only_what_the_key_may_see(site: ApiSite) -> None:
    secret = site.key(Role.ADMIN, residents=["r1"]).secret
    mine, site_wide = site.fall("r1"), site.fall(None, "e9", "gas")
    site.fall("r2", "e2")
    assert [one["id"] for one in site.get(R, secret).json()["residents"]] == ["r1"]
    assert [one["id"] for one in site.get(D, secret).json()["devices"]] == ["w1"]
    assert site.get(D, secret, resident="r2").json()["devices"] == []
    assert [one["id"] for one in site.get(A, secret).json()["alerts"]] == [mine]
    assert site.get(A, secret, resident="r2").json()["alerts"] == []
    assert [one["id"] for one in site.get(C, secret, resident="r1").json()["contacts"]] == ["c1"]
    assert site.get(C, secret).json()["contacts"] == []
    assert site.get(f"{A}/{site_wide}", secret).status_code == 404
    assert site.get(f"{C}/nurse", secret).status_code == 404
    assert site.get(f"{D}/spare", secret).status_code == 404
    assert site.get("/api/v1/me", secret).json()["residents"] == ["r1"]


def test_a_device_cannot_be_moved_out_of_or_into_what_the_key_sees(site: ApiSite) -> None:
    secret = site.key(Role.ADMIN, residents=["r1"]).secret
    for device, resident in (("w1", "r2"), ("w1", None), ("spare", "r1"), ("w2", "r1")):
        answer = site.call("PUT", f"{D}/{device}/assignment", secret, json={"resident_id": resident})
        assert answer.status_code == 404, (device, resident)
    assert {one.device_id: one.resident_id for one in site.registry.assignments()} == {"w1": "r1", "w2": "r2"}


def test_a_site_contact_needs_a_key_for_all(site: ApiSite) -> None:
    secret = site.key(Role.ADMIN, residents=["r1"]).secret
    assert site.post(C, {"id": "c8", "name": "x", "channel": "siren"}, secret).status_code == 404
    assert site.post(C, {"id": "c8", "resident_id": "r1", "name": "x", "channel": "siren"}, secret).status_code == 201


def test_a_revoked_or_expired_key_is_refused_at_once(site: ApiSite) -> None:
    made = site.key(Role.VIEWER, expires_ns=site.now_ns + SECOND)
    assert site.get("/api/v1/me", made.secret).json()["expires"]["ns"] == site.now_ns + SECOND
    site.now_ns += SECOND
    assert site.get("/api/v1/me", made.secret).status_code == 401
    other = site.key(Role.VIEWER)
    site.keys.revoke(other.key.id, by="admin", now_ns=site.now_ns)
    assert site.get("/api/v1/me", other.secret).status_code == 401


def test_both_headers_carry_a_key(site: ApiSite) -> None:
    secret = site.secrets[Role.VIEWER]
    assert site.call("GET", "/api/v1/me", None, headers={"X-API-Key": secret}).status_code == 200
    assert site.call("GET", "/api/v1/me", None, headers={"authorization": f"bearer  {secret} "}).status_code == 200


def test_wrong_keys_lock_an_address_out_but_not_its_neighbours(site: ApiSite) -> None:
    assert site.get("/api/v1/me", Role.OPERATOR).status_code == 200
    fresh = site.key(Role.VIEWER).secret
    for _ in range(ATTEMPTS):
        assert site.get("/api/v1/me", "yl_wrong").status_code == 401
    locked = site.get("/api/v1/me", "yl_wrong")
    assert (locked.status_code, locked.headers["retry-after"]) == (429, "30")
    assert locked.json()["title_zh"]
    assert site.get("/api/v1/me", fresh).status_code == 429
    assert site.get("/api/v1/me", Role.OPERATOR).status_code == 200
    assert site.call("GET", "/api/v1/me", fresh, client="192.0.2.9").status_code == 200
    site.monotonic_s += FIRST_LOCK_S
    assert site.get("/api/v1/me", "yl_wrong").status_code == 401
    assert "yinling_api_keys_refused_total 2.0" in site.get("/metrics").text


def test_bodies_are_bounded_stated_or_not(site: ApiSite) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 10_000

    large = {"id": "r9", "display_name": "x", "notes": "x" * MAX_BODY}
    for path, key in ((R, Role.ADMIN), ("/api/v1/assist/callback", None)):
        stated = site.call("POST", path, key, json=large)
        assert (stated.status_code, stated.json()["status"]) == (413, 413)
    unstated = site.call("POST", R, content=chunks(), headers={"Content-Type": "application/json"})
    assert (unstated.status_code, unstated.json()["type"]) == (413, "urn:yinling:problem:too-large")
    for wrong in ("-1", "x", "٣", "9" * 30):
        headers = [(b"content-length", wrong.encode())]
        assert site.call("POST", R, content=b"{}", headers=headers).status_code in {400, 413}


def test_every_answer_carries_security_headers(site: ApiSite) -> None:
    for path, key in ((R, Role.ADMIN), (R, None), ("/health/live", None), (R + "/nope", Role.ADMIN)):
        headers = site.get(path, key).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
    crossing = {"Origin": "https://elsewhere.example"}
    assert not [name for name in site.call("GET", R, headers=crossing).headers if name.startswith("access-control")]


def test_every_error_is_a_problem(site: ApiSite) -> None:
    cases = [
        (site.get("/api/v1/nothing"), 404, "not-found"),
        (site.call("DELETE", R), 405, "wrong-method"),
        (site.call("POST", R, content=b"{", headers={"Content-Type": "application/json"}), 422, "invalid"),
        (site.call("POST", R, content=b"[" * 60_000, headers={"Content-Type": "application/json"}), 400, "bad-request"),
        (site.post(R, {"id": "r1", "display_name": "x"}), 409, "conflict"),
        (site.get(R + "/nope"), 404, "not-found"),
        (site.get(R, Role.ADMIN, nonsense="maybe", active="perhaps"), 422, "invalid"),
        (site.post(R, {"id": "r5"}, Role.VIEWER), 403, "not-allowed"),
    ]
    for answer, status, word in cases:
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert (answer.status_code, body["status"], body["type"]) == (status, status, "urn:yinling:problem:" + word)
        assert body["title"]
        assert re.search(r"[一-鿿]", body["title_zh"])
        assert "Traceback" not in answer.text


def test_a_refusal_names_the_field_and_never_repeats_the_input(site: ApiSite) -> None:
    body = {"id": "r 9 ", "display_name": "张三的秘密", "birth_year": "1941", "surprise": "机密"}
    answer = site.post(R, body)
    assert {one["field"] for one in answer.json()["errors"]} == {"body.id", "body.birth_year", "body.surprise"}
    assert "秘密" not in answer.text
    assert "机密" not in answer.text
    odd = site.call("POST", R, content=b'{"\\ud800": 1, "id": "\\ud800"}', headers={"Content-Type": "application/json"})
    assert odd.status_code == 422


def test_a_database_that_cannot_be_read_is_said_so(site: ApiSite) -> None:
    with site.database.write() as session:
        session.connection().exec_driver_sql("DROP TABLE contacts")
    answer = site.get(C)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:yinling:problem:unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "contacts" not in answer.text
    with site.database.write() as session:
        session.connection().exec_driver_sql("DROP TABLE api_keys")
    assert site.get(R).status_code == 503


def test_alerts_are_shown_even_where_the_disk_takes_nothing(site: ApiSite) -> None:
    """What cannot be audited is not given, but an alarm is never hidden by a technical fault."""
    alert = site.fall()
    assert site.get("/api/v1/me").status_code == 200
    site.database.engine.dispose()
    event.listen(site.database.engine, "connect", lambda link, _: link.execute("PRAGMA query_only = ON").close())
    site.now_ns += USED_STEP_NS
    assert site.get("/api/v1/me").status_code == 200
    assert [one["id"] for one in site.get(A).json()["alerts"]] == [alert]
    assert site.get(f"{A}/{alert}").json()["alert"]["id"] == alert
    assert site.get("/metrics").status_code == 200
    for refused in (site.get(R), site.get(D), site.post(f"{A}/{alert}/acknowledge")):
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:yinling:problem:unavailable")


def test_an_internal_fault_shows_nothing_of_the_inside(site: ApiSite) -> None:
    def broken() -> list[Any]:
        raise ZeroDivisionError("a secret of the inside")

    object.__setattr__(site.context, "health", broken)
    answer = site.call("GET", "/api/v1/health", quiet=True)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:yinling:problem:internal")
    assert "secret" not in answer.text


def test_documentation_is_off_unless_wanted(make_site: Callable[..., ApiSite]) -> None:
    site = make_site({"api": {"docs": True}})
    assert site.get(OPENAPI_PATH, None).json()["info"]["title"] == "Yinling gateway"
    assert "swagger" in site.get(DOCS_PATH, None).text
    assert site.get(R, None).status_code == 401


def test_documentation_is_off_by_default(site: ApiSite) -> None:
    assert site.get(DOCS_PATH).status_code == 404
