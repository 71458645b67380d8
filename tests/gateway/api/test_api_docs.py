"""docs/api.md and the OpenAPI description say what the code does."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from api_site import NOW, SIGNING_SECRET, ApiSite
from prometheus_client.parser import text_string_to_metric_families
from route_table import OPEN, ROUTES

from device_drivers.observations import Reading
from gateway.alerts.lifecycle import Outcome, State
from gateway.api.app import OPENAPI_PATH
from gateway.api.problems import PROBLEMS
from gateway.api.scopes import ROLES, Role, Scope

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def rows(pattern: str) -> list[tuple[str, ...]]:
    return [match.groups() for match in re.finditer(pattern, TEXT, re.MULTILINE)]


def test_every_route_is_documented_with_its_scope() -> None:
    documented = {
        (method, path): scope for method, path, scope in rows(r"^\| ([A-Z]+) \| `(\S+)` \| `?([\w: ]+?)`? \|")
    }
    expected = {route: str(scope) if scope else "any key" for route, (scope, _, _) in ROUTES.items()}
    expected |= {route: "signature" if "callback" in route[1] else "no key" for route in OPEN}
    assert documented == expected


def test_every_role_is_documented_with_its_scopes() -> None:
    table = {
        name: set(re.findall(r"`([\w:]+)`", scopes)) for name, scopes in rows(r"^\| `(\w+)` \| [^|`\d]+ \| (.+) \|$")
    }
    assert table.pop("admin") == set()
    assert ROLES[Role.ADMIN] == frozenset(Scope)
    assert table == {
        role.value: {str(scope) for scope in scopes} for role, scopes in ROLES.items() if role != Role.ADMIN
    }


def test_every_problem_outcome_and_state_is_documented() -> None:
    table = {word: (int(status), zh) for word, status, zh in rows(r"^\| `([\w-]+)` \| (\d{3}) \| (.+) \|$")}
    assert table == {row.word: (row.status, row.zh) for row in PROBLEMS.values()}
    assert "Outcomes: " + " ".join(f"`{one}`" for one in Outcome) + "." in TEXT
    assert "States: " + " ".join(f"`{one}`" for one in State) + "." in TEXT


def test_every_metric_is_documented(site: ApiSite) -> None:
    site.fall()
    site.store.append([Reading("w1", "heart_rate", 70.0, NOW, NOW)], [], {"w1": "r1"})
    site.store.flush()
    found = set()
    for family in text_string_to_metric_families(site.get("/metrics").text):
        found.add(family.name + ("_total" if family.type == "counter" else ""))
    assert set(re.findall(r"`(yinling_\w+)", TEXT)) == found


def curls() -> list[str]:
    return [line for line in TEXT.splitlines() if line.startswith("curl") and "/stream" not in line]


@pytest.mark.parametrize("number", range(len(curls())))
def test_every_curl_example_works(site: ApiSite, number: int) -> None:
    """The request of the example, through the real app."""
    alert = site.fall()
    words = shlex.split(curls()[number].replace("$ALERT", alert))
    url = next(word for word in words if word.startswith("$BOX")).removeprefix("$BOX")
    content = words[words.index("-d") + 1].replace('"id": "r1"', '"id": "r9"').encode() if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if content else "GET"
    if "assignment" in url:
        site.post("/api/v1/devices", {"id": "watch-17", "family": "yinling_wearable"})
    answer = site.call(method, url, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {200, 201}, answer.text


def test_there_are_examples() -> None:
    assert len(curls()) >= 6


def operations(site: ApiSite) -> dict[tuple[str, str], dict[str, Any]]:
    tree = site.get(OPENAPI_PATH).json()
    return {(method.upper(), path): one for path, item in tree["paths"].items() for method, one in item.items()}


def test_openapi_describes_every_route_in_both_languages(site: ApiSite) -> None:
    for route, operation in operations(site).items():
        assert re.search(r"[a-z] ?[?…]? · .*[一-鿿]", operation["summary"]), route
        assert operation["description"], route
        assert operation["tags"], route
        if route in ROUTES:
            for status in ("401", "403", "422"):
                assert "application/problem+json" in operation["responses"][status]["content"], route
        else:
            assert operation["security"] == [], route


def test_openapi_is_whole(site: ApiSite) -> None:
    """Every reference leads somewhere, keys are described, and there are examples."""
    tree = site.get(OPENAPI_PATH).json()
    text = site.get(OPENAPI_PATH).text
    schemas = tree["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)
    assert {"ProblemDetails", "FieldError"} <= set(schemas)
    assert "HTTPValidationError" not in text
    assert tree["security"] == [{"bearer": []}, {"header": []}]
    assert schemas["ResidentForm"]["properties"]["display_name"]["examples"] == ["李奶奶"]
    assert all(one.get("additionalProperties") is False for name, one in schemas.items() if name.endswith("Form"))
    assert SIGNING_SECRET not in text
