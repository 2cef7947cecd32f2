"""How a service is asked: again while it is busy, with an end to the patience, in its errors.

Imports neither torch nor an engine.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

import httpx

from holotype.errors import HolotypeError, ServiceError, UsageError, by_name
from holotype.retry_after import retry_after_s

PROBLEM = "urn:holotype:problem:"
"""Prefix of the types that the service gives to its errors."""

CONNECT_S, ANSWER_S = 5.0, 600.0
"""Seconds: a service on this machine or network connects at once, but may be given a batch
that takes minutes on a slow processor."""

SILENCE_S = 5.0
"""After so many seconds without an answer, people are told whom they wait for."""

PATIENCE_S = 120.0
"""How long a busy service (503) is asked again before that is an error, seconds."""

_log = logging.getLogger(__name__)


class Transport:
    """Requests to one service, and its answers. Safe for use by several threads."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        patience_s: float = PATIENCE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """See `holotype.client.ServiceClient`.

        Raises:
            UsageError: this is no address.
        """
        self.url = _address(url)
        self._patience_s = patience_s
        self._answer_s = answer_s
        self._told = threading.Event()
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(answer_s, connect=min(CONNECT_S, answer_s)),
            # With more connections than it would keep, the pool closes one that another thread is
            # about to write to, and that thread reads from a closed socket.
            limits=httpx.Limits(max_keepalive_connections=None),
            # A service on this machine is not to be looked for behind a proxy.
            trust_env=False,
        )

    def close(self) -> None:
        """Let go of the connections; calling it twice is fine."""
        self._http.close()

    def json(self, method: str, path: str, **request: Any) -> Answered:
        """Send a request and read its answer.

        Raises:
            HolotypeError: the error that the service met, of the same class.
            ServiceError: it does not answer, or not as a service does.
        """
        with self.stream(method, path, **request) as response:
            response.read()
            return Answered(response)

    @contextmanager
    def stream(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """Send a request, again while the service is busy; its answer is still to be read.

        Raises:
            HolotypeError: as for `json`; also where the answer breaks off while it is read.
        """
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                with self._saying_so():
                    asking = self._http.build_request(method, path, **request)
                    response = self._http.send(asking, stream=True)
                with closing(response):
                    if response.is_success:
                        yield response
                        return
                    response.read()
            except httpx.HTTPError as error:
                raise self._silent(error) from error
            wait_s = retry_after_s(response.headers.get("retry-after"), default=1)
            busy = response.status_code == httpx.codes.SERVICE_UNAVAILABLE
            if not busy or time.monotonic() + wait_s > give_up_at:
                raise _error_of(response)
            time.sleep(wait_s)

    def _silent(self, error: httpx.HTTPError) -> ServiceError:
        if isinstance(error, httpx.ReadTimeout):
            return ServiceError(
                f"the service at {self.url} has not answered for {self._answer_s:g} s: is it "
                "overloaded, or stopped? HOLOTYPE_SERVER_TIMEOUT says how long it is waited for"
            )
        return ServiceError(
            f"the service at {self.url} does not answer ({error or type(error).__name__}): "
            "is it running, and is this its address?"
        )

    @contextmanager
    def _saying_so(self) -> Iterator[None]:
        """Tell people, once, whom they wait for."""

        def tell() -> None:
            if not self._told.is_set():
                self._told.set()
                _log.warning(
                    "waiting for the service at %s: no answer for %g s, giving up after %g s "
                    "(HOLOTYPE_SERVER_TIMEOUT)",
                    self.url,
                    SILENCE_S,
                    self._answer_s,
                )

        timer = threading.Timer(SILENCE_S, tell)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def file_of(response: httpx.Response) -> BinaryIO:
    """An answer that is still to be read, as a file that can be read once."""
    return io.BufferedReader(_Blocks(response.iter_bytes()))


class _Blocks(io.RawIOBase):
    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        into = memoryview(buffer)
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        n = min(len(into), len(self._rest))
        into[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


class Answered(dict[str, Any]):
    """The JSON object that a service answers with. What it must hold, it holds.

    Raises:
        ServiceError: the answer is no JSON object, or what is asked of it is missing or null.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        try:
            super().__init__(response.json())
        except (ValueError, TypeError) as error:
            raise not_a_service(response) from error

    def __getitem__(self, key: str) -> Any:
        value = self.get(key)
        if value is None:
            raise not_a_service(self._response)
        return value


def not_a_service(response: httpx.Response) -> ServiceError:
    """The error of an answer that no service would give."""
    return ServiceError(
        f"{response.url} answered {response.status_code} {response.reason_phrase}, but not as a "
        "service does: is this the address of a Holotype service?",
        status=response.status_code,
    )


def error_of(problem_type: str, detail: str, *, status: int = 0) -> HolotypeError:
    """A problem of the service as the error that it was there."""
    name = problem_type.removeprefix(PROBLEM).title().replace("-", "")
    error = by_name(name, detail)
    if type(error) is not HolotypeError:
        return error
    if status == httpx.codes.UNPROCESSABLE_ENTITY:
        return UsageError(detail)
    return ServiceError(detail, status=status)


def _error_of(response: httpx.Response) -> HolotypeError:
    """The error that the service met, of the same class where it has one."""
    try:
        problem = response.json()
        kind, detail = str(problem["type"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return not_a_service(response)
    return error_of(kind, detail, status=response.status_code)


def _address(url: str) -> str:
    try:
        parsed = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UsageError(f"{url!r} is not the address of a service: write http://HOST:PORT")
    return str(parsed)
