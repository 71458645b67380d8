"""Every route with the scope it needs, a good body and a good query. A new route must be added here."""

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute

from gateway.api.app import ROUTERS
from gateway.api.scopes import Scope

SPAN = {"start": "2026-02-03T00:00:00Z", "end": "2026-02-04T00:00:00Z"}
R = "/api/v1/residents"
D = "/api/v1/devices"
C = "/api/v1/contacts"
A = "/api/v1/alerts"
E = "/api/v1/escalation"
H = "/api/v1/holds"
ROUTES: dict[tuple[str, str], tuple[Scope | None, Any, dict[str, str]]] = {
    ("GET", R): (Scope.RESIDENTS_READ, None, {}),
    ("POST", R): (Scope.RESIDENTS_WRITE, {"id": "r9", "display_name": "新"}, {}),
    ("GET", R + "/{resident_id}"): (Scope.RESIDENTS_READ, None, {}),
    ("PATCH", R + "/{resident_id}"): (Scope.RESIDENTS_WRITE, {"room": "1"}, {}),
    ("GET", R + "/{resident_id}/removal"): (Scope.RESIDENTS_WRITE, None, {}),
    ("GET", R + "/{resident_id}/care"): (Scope.RESIDENTS_READ, None, {}),
    ("PUT", R + "/{resident_id}/care"): (Scope.RESIDENTS_WRITE, {"heart_failure": True}, {}),
    ("GET", R + "/{resident_id}/nights"): (Scope.HISTORY_READ, None, {"since": "2026-02-01", "until": "2026-02-03"}),
    ("GET", R + "/{resident_id}/tasks"): (Scope.RESIDENTS_READ, None, {}),
    ("PUT", R + "/{resident_id}/tasks"): (
        Scope.RESIDENTS_WRITE,
        {"tasks": [{"id": "pills", "kind": "medication", "times": ["08:00"]}]},
        {},
    ),
    ("GET", R + "/{resident_id}/tasks/runs"): (Scope.RESIDENTS_READ, None, {}),
    ("POST", R + "/{resident_id}/tasks/done"): (Scope.ALERTS_ANSWER, {"task": "pills", "by": "x"}, {}),
    ("GET", R + "/{resident_id}/consents"): (Scope.RESIDENTS_READ, None, {}),
    ("PUT", R + "/{resident_id}/consents/{purpose}"): (Scope.RESIDENTS_WRITE, None, {}),
    ("DELETE", R + "/{resident_id}/consents/{purpose}"): (Scope.RESIDENTS_WRITE, None, {}),
    ("GET", "/api/v1/tasks/coverage"): (Scope.RESIDENTS_READ, None, {}),
    ("GET", R + "/{resident_id}/habits"): (Scope.HISTORY_READ, None, {}),
    ("GET", R + "/{resident_id}/trends"): (Scope.HISTORY_READ, None, {"weeks": "2"}),
    ("GET", R + "/{resident_id}/history"): (Scope.HISTORY_READ, None, {"signal": "heart_rate", **SPAN}),
    ("GET", R + "/{resident_id}/latest"): (Scope.HISTORY_READ, None, {}),
    ("GET", R + "/{resident_id}/events"): (Scope.HISTORY_READ, None, SPAN),
    ("GET", R + "/{resident_id}/prompt-link"): (Scope.RESIDENTS_WRITE, None, {}),
    ("GET", D): (Scope.DEVICES_READ, None, {}),
    ("POST", D): (Scope.DEVICES_WRITE, {"id": "w9", "family": "yinling_wearable"}, {}),
    ("GET", D + "/{device_id}"): (Scope.DEVICES_READ, None, {}),
    ("PATCH", D + "/{device_id}"): (Scope.DEVICES_WRITE, {"room": "1"}, {}),
    ("PUT", D + "/{device_id}/assignment"): (Scope.DEVICES_WRITE, {"resident_id": "r2"}, {}),
    ("POST", D + "/{device_id}/credentials"): (Scope.DEVICES_WRITE, None, {}),
    ("POST", D + "/{device_id}/commands"): (Scope.DEVICES_COMMAND, {"command": "find", "wait_s": 0.0}, {}),
    ("GET", C): (Scope.CONTACTS_READ, None, {"resident": "r2"}),
    ("POST", C): (Scope.CONTACTS_WRITE, {"id": "c9", "resident_id": "r2", "name": "新", "channel": "siren"}, {}),
    ("GET", C + "/{contact_id}"): (Scope.CONTACTS_READ, None, {}),
    ("PATCH", C + "/{contact_id}"): (Scope.CONTACTS_WRITE, {"name": "新"}, {}),
    ("DELETE", C + "/{contact_id}"): (Scope.CONTACTS_WRITE, None, {}),
    ("DELETE", D + "/{device_id}"): (Scope.DEVICES_WRITE, None, {}),
    ("DELETE", R + "/{resident_id}"): (Scope.RESIDENTS_WRITE, None, {}),
    ("GET", A): (Scope.ALERTS_READ, None, {}),
    ("GET", A + "/{alert_id}"): (Scope.ALERTS_READ, None, {}),
    ("POST", A + "/{alert_id}/acknowledge"): (Scope.ALERTS_ANSWER, {}, {}),
    ("POST", A + "/{alert_id}/en-route"): (Scope.ALERTS_ANSWER, {}, {}),
    ("POST", A + "/{alert_id}/on-scene"): (Scope.ALERTS_ANSWER, {}, {}),
    ("POST", A + "/{alert_id}/resolve"): (Scope.ALERTS_ANSWER, {"outcome": "other"}, {}),
    ("POST", A + "/{alert_id}/cancel"): (Scope.ALERTS_ANSWER, {}, {}),
    ("GET", E): (Scope.CONTACTS_READ, None, {}),
    ("PUT", E): (Scope.CONTACTS_WRITE, {"policy": [{"name": "p", "steps": [{"targets": ["assist"]}]}]}, {}),
    ("DELETE", E): (Scope.CONTACTS_WRITE, None, {}),
    ("GET", E + "/oncall"): (Scope.CONTACTS_READ, None, {}),
    ("GET", E + "/preview"): (Scope.CONTACTS_READ, None, {"kind": "fall", "resident": "r2"}),
    ("GET", "/api/v1/statistics"): (Scope.ALERTS_READ, None, {}),
    ("GET", H): (Scope.ALERTS_READ, None, {}),
    ("POST", H + "/pause"): (
        Scope.ALERTS_ANSWER,
        {"resident_id": "r2", "kind": "heart_rate_high", "seconds": 60, "reason": "x"},
        {},
    ),
    ("POST", H + "/maintenance"): (Scope.DEVICES_WRITE, {"device_id": "w2", "seconds": 60, "reason": "x"}, {}),
    ("POST", H + "/{hold_id}/end"): (Scope.ALERTS_ANSWER, None, {}),
    ("GET", "/api/v1/stream"): (Scope.ALERTS_READ, None, {}),
    ("GET", "/api/v1/health"): (Scope.HEALTH_READ, None, {}),
    ("GET", "/api/v1/me"): (None, None, {}),
    ("GET", "/metrics"): (Scope.METRICS, None, {}),
}
OPEN = {
    *(("GET", "/health/live"), ("GET", "/health/ready"), ("POST", "/api/v1/assist/callback")),
    *(("GET", "/api/v1/prompt/{token}"), ("POST", "/api/v1/prompt/{token}")),
    *(("GET", "/a/{token}"), ("POST", "/a/{token}")),
}


def api_routes() -> Iterator[tuple[str, str]]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                yield method, route.path_format
