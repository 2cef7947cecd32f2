"""Who may do what: API keys with scopes.

`HOLOTYPE_API_KEYS=read:KEY,write:KEY,write@anna:KEY,...`; a name says in the history who it was.
Several keys may have the same scope, so that one
can be replaced while the other still works. A key that may write may also read. Without any
key the service trusts whoever reaches it, which is why it then listens on loopback only.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from holotype.errors import UsageError

_NAME = re.compile(r"[\w .-]{1,64}")

SHORTEST_KEY = 16
"""Characters: 64 bits as hex digits, beyond guessing over a network."""


class Scope(StrEnum):
    """What a key is good for."""

    READ = "read"
    """Classify, look at references, classes and heads, export vectors."""
    WRITE = "write"
    """All of that, and change them."""


@dataclass(frozen=True, slots=True)
class _Key:
    scope: Scope
    digest: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one service. Holds digests, never the keys."""

    keys: tuple[_Key, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Read `scope:key,scope:key`.

        Raises:
            UsageError: a scope is unknown, or a key too short; the message holds no key.
        """
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        return cls(tuple(_parse(entry, i) for i, entry in enumerate(entries, start=1)))

    def scope_of(self, presented: str) -> Scope | None:
        """The scope of a presented key, None for one that is not ours.

        Takes the same time whether and where it differs: digests are compared, all of them,
        each in constant time.
        """
        digest = _digest(presented)
        found: Scope | None = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key.scope if found is not Scope.WRITE else found
        return found

    def name_of(self, presented: str) -> str | None:
        """The name of a presented key; None where it has none, or is not ours."""
        digest = _digest(presented)
        named = [k.name for k in self.keys if hmac.compare_digest(k.digest, digest) and k.name]
        return named[0] if named else None


def allows(scope: Scope, wanted: Scope) -> bool:
    """Whether a key of `scope` may do what takes `wanted`."""
    return scope is Scope.WRITE or wanted is Scope.READ


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: it may mean any address


def require_safe(host: str, keyring: Keyring, *, insecure: bool) -> None:
    """Refuse to let strangers in by accident.

    Raises:
        UsageError: a public address, no key, and nobody said that this is meant.
    """
    if keyring or insecure or is_loopback(host):
        return
    raise UsageError(
        f"without keys, anyone who reaches {host} could read and change the gallery: set "
        "HOLOTYPE_API_KEYS=read:KEY,write:KEY, or serve on 127.0.0.1, or say --insecure"
    )


def _parse(entry: str, position: int) -> _Key:
    before, colon, key = entry.partition(":")
    scope, at, name = before.partition("@")
    if not colon or scope not in set(Scope) or (at and not _NAME.fullmatch(name)):
        raise UsageError(
            f"HOLOTYPE_API_KEYS: entry {position} is not read:KEY, write:KEY or write@NAME:KEY"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"HOLOTYPE_API_KEYS: key {position} holds characters that a header cannot: use ASCII"
        )
    if len(key) < SHORTEST_KEY:
        raise UsageError(
            f"HOLOTYPE_API_KEYS: key {position} has {len(key)} characters, at least "
            f"{SHORTEST_KEY} are needed (for example from `openssl rand -hex 24`)"
        )
    return _Key(Scope(scope), _digest(key), name or None)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
