"""Who may enter, decided before a byte of the body is read.

With keys: every request to the API carries one, as `Authorization: Bearer KEY` or as
`X-API-Key: KEY`. What the key may do is checked by the route
(`classify.service.dependencies`).

Without keys, a browser's place on this machine is enough to enter, and a browser sends
requests that other sites make it send. So whoever changes something must come from a page of
this service (`Origin`), and address it by a name of this machine (`Host`), which closes DNS
rebinding. A key is never sent by itself, so with keys neither matters.

A proxy in between may give the service another name than the page has: `public_url` says
under which one people know it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from classify.service import keys
from classify.service.keys import Keyring
from classify.service.problems import Refused, problem_of, response_of

GRANTED = "holotype.granted"
"""Where the ASGI scope says what this request may do."""
WHO = "holotype.who"
"""Where it says what the key is called; None where it has no name."""
OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""Paths that take no key: the page, its parts (under `/static/`) and health."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Site:
    """Where pages come from: what a browser calls their origin."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, url: str) -> Self | None:
        """The site of a URL; None where it has none."""
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:  # `http://[`, `http://host:x`
            return None
        return cls(parts.scheme, parts.hostname, port) if parts.hostname else None


class AccessControl:
    """ASGI middleware; lets through who may enter, and answers the others."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keyring: Keyring,
        hosts: Collection[str] | None,
        public_url: str | None = None,
    ) -> None:
        """Guard `app`.

        Args:
            app: what is behind the gate.
            keyring: empty: whoever comes may do everything.
            hosts: names under which the service may be addressed; None: any.
            public_url: how browsers address it, where that is through a proxy.
        """
        self._app = app
        self._keyring = keyring
        self._public = None if public_url is None else Site.of(public_url)
        public = () if self._public is None else (self._public.host,)
        self._hosts = None if hosts is None else frozenset((*hosts, *public))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the app where the request may not enter."""
        if scope["type"] == "http":
            try:
                headers = Headers(scope=scope)
                scope[GRANTED] = self._grant(scope["path"], scope["method"], headers)
                presented = _key_in(headers) if self._keyring else None
                scope[WHO] = None if presented is None else self._keyring.name_of(presented)
            except Refused as refusal:
                await response_of(problem_of(refusal))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _grant(self, path: str, method: str, headers: Headers) -> keys.Scope | None:
        host = headers.get("host", "")
        addressed = Site.of(f"//{host}")
        if addressed is None and host:
            raise Refused(f"{host!r} is no host that a request can be for", status=400)
        if not self._keyring:
            self._check_host(addressed)
            if method not in _SAFE:
                self._check_origin(headers.get("origin"), host)
            return keys.Scope.WRITE
        presented = _key_in(headers)
        granted = None if presented is None else self._keyring.scope_of(presented)
        if granted is None and not _is_open(path):
            raise Refused(_no_entry(presented), status=401)
        return granted

    def _check_host(self, addressed: Site | None) -> None:
        name = "" if addressed is None else addressed.host
        if self._hosts is not None and name not in self._hosts:
            raise Refused(
                f"this service answers under {', '.join(sorted(self._hosts))}, not under {name!r}. "
                "If that is its name behind a proxy, start it with HOLOTYPE_PUBLIC_URL set to "
                "the address that people use, such as https://HOST/",
                status=403,
            )

    def _check_origin(self, origin: str | None, host: str) -> None:
        """Programs send no `Origin`; browsers send one with every request that is not safe."""
        if origin is None:
            return
        page = Site.of(origin)
        if page is not None and page in (self._public, Site.of(f"{page.scheme}://{host}")):
            return
        public = "nothing" if self._public is None else self._public.host
        raise Refused(
            f"requests from pages of {origin} are not accepted: the request is for {host!r} "
            f"(Host), and HOLOTYPE_PUBLIC_URL is {public}. If that page is this service behind a "
            f"proxy, start it with HOLOTYPE_PUBLIC_URL={origin}",
            status=403,
        )


def require(scope: Scope, wanted: keys.Scope) -> None:
    """Refuse a request whose key does not reach so far.

    Raises:
        Refused: it has none, or one of a smaller scope.
    """
    granted: keys.Scope | None = scope.get(GRANTED)
    if granted is None or not keys.allows(granted, wanted):
        raise Refused(f"this takes a key with the scope {wanted.value!r}", status=403)


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/static/")


def _key_in(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key")


def _no_entry(presented: str | None) -> str:
    if presented is None:
        return (
            "this service takes a key: send it as `Authorization: Bearer KEY` "
            "(commands: HOLOTYPE_API_KEY)"
        )
    return "this key is not one of this service's"
