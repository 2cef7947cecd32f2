"""Who may enter, decided before a byte of the body is read.

With keys: every request to the API carries one, as `Authorization: Bearer KEY`, as
`X-API-Key: KEY`, or as the cookie `holotype_key`, which the page sets (a browser sends no
header of ours for an image). What the key may do is checked by the route
(`classify.service.dependencies`).

A browser sends what it holds (a cookie, or just its place on this machine) along with
requests that other sites make it send. So whoever does not come with a header must come
from a page of this service (the `Origin` of a request that changes something), and without
keys also under a name of this machine (`Host`), which closes DNS rebinding.
"""

from __future__ import annotations

from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from classify.service import keys
from classify.service.keys import Keyring
from classify.service.problems import Refused, problem_of, response_of

GRANTED = "holotype.granted"
"""Where the ASGI scope says what this request may do."""
COOKIE = "holotype_key"
OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""Paths that take no key: the page, its parts (under `/static/`) and health."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """ASGI middleware; lets through who may enter, and answers the others."""

    def __init__(self, app: ASGIApp, *, keyring: Keyring, hosts: Collection[str] | None) -> None:
        """Guard `app`.

        Args:
            app: what is behind the gate.
            keyring: empty: whoever comes may do everything.
            hosts: names under which the service may be addressed; None: any.
        """
        self._app = app
        self._keyring = keyring
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the app where the request may not enter."""
        if scope["type"] == "http":
            try:
                scope[GRANTED] = self._grant(scope["path"], scope["method"], Headers(scope=scope))
            except Refused as refusal:
                await response_of(problem_of(refusal))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _grant(self, path: str, method: str, headers: Headers) -> keys.Scope | None:
        self._check_host(headers)
        sent = _key_in_header(headers)
        if sent is None and method not in _SAFE:
            _check_origin(headers)
        if not self._keyring:
            return keys.Scope.WRITE
        presented = sent if sent is not None else _key_in_cookie(headers)
        granted = None if presented is None else self._keyring.scope_of(presented)
        if granted is None and not _is_open(path):
            raise Refused(_no_entry(presented), status=401)
        return granted

    def _check_host(self, headers: Headers) -> None:
        if self._hosts is None:
            return
        name = urlsplit(f"//{headers.get('host', '')}").hostname
        if name not in self._hosts:
            raise Refused(
                f"this service answers under {', '.join(sorted(self._hosts))}, not under {name!r}",
                status=403,
            )


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/static/")


def _key_in_header(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key")


def _key_in_cookie(headers: Headers) -> str | None:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if cookie is None else unquote(cookie.value)  # a key may hold what a cookie may not


def _check_origin(headers: Headers) -> None:
    """Programs send no `Origin`; browsers send one with every request that is not safe."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Refused(f"requests from pages of {origin} are not accepted", status=403)


def _no_entry(presented: str | None) -> str:
    if presented is None:
        return (
            "this service takes a key: send it as `Authorization: Bearer KEY` "
            "(commands: HOLOTYPE_API_KEY)"
        )
    return "this key is not one of this service's"
