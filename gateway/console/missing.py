"""What is answered where there is no page: the console's own words and language, and the way to the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from gateway.api.problems import Problem
from gateway.api.problems import response as problem_response
from gateway.console import documents
from gateway.console.entry import HEADERS
from gateway.console.texts import speaker

if TYPE_CHECKING:
    from fastapi import Request, Response

SCOPE_KEY = "yinling.console"
FRAMEWORK = "/_nicegui/"


async def missing(request: Request, error: Exception) -> Response:
    """The answer to a path that nobody serves. Paths of the API get problem details, parts of a page plain words."""
    if SCOPE_KEY not in request.scope:
        return problem_response(Problem("not-found", f"no path {request.url.path[:200]!r}"))
    if request.url.path.startswith(FRAMEWORK) and isinstance(error, HTTPException):
        return await http_exception_handler(request, error)
    door, _ = request.scope[SCOPE_KEY]
    return HTMLResponse(page(door.language(request), door.theme(request)), 404, headers=HEADERS)


def page(language: str, theme: str) -> str:
    """The page that says so."""
    say = speaker(language)
    body = (
        f"<h1>{say('missing.title')}</h1><p>{say('missing.why')}</p>"
        f'<p><a class="y-link" id="y-board" href="/">{say("missing.board")}</a></p>'
    )
    return documents.document(say("missing.title"), language, theme, body, "missing")
