"""API keys: reading them, scopes, and where a service may listen without any."""

from __future__ import annotations

import pytest

from classify.service.keys import Keyring, Scope, allows, is_loopback, require_safe
from holotype.errors import UsageError

READ_KEY, WRITE_KEY = "r" * 24, "w" * 24


def test_parse__scopes_of_keys() -> None:
    """Each key has its scope; another has none."""
    ring = Keyring.parse(f"read:{READ_KEY}, write:{WRITE_KEY}")
    assert ring.scope_of(READ_KEY) is Scope.READ
    assert ring.scope_of(WRITE_KEY) is Scope.WRITE
    assert ring.scope_of(READ_KEY[:-1]) is None
    assert ring.scope_of("") is None


def test_parse__a_key_given_for_both_scopes_may_write() -> None:
    """The wider scope counts, in either order."""
    for text in (f"read:{READ_KEY},write:{READ_KEY}", f"write:{READ_KEY},read:{READ_KEY}"):
        assert Keyring.parse(text).scope_of(READ_KEY) is Scope.WRITE


def test_parse__nothing_is_no_key() -> None:
    """An empty setting means that nobody needs one."""
    assert not Keyring.parse("")
    assert not Keyring.parse(" , ")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("admin:" + "k" * 24, "entry 1 is not read:KEY, write:KEY or write@NAME:KEY"),
        (f"read:{READ_KEY},{WRITE_KEY}", "entry 2 is not read:KEY, write:KEY or write@NAME:KEY"),
        ("read:schl\xfcssel-kürzer-nicht", "key 1 holds characters that a header cannot"),
        ("read:short-secret", "key 1 has 12 characters, at least 16 are needed"),
    ],
)
def test_parse__what_cannot_be_used(text: str, complaint: str) -> None:
    """The message says which entry and why, and holds no key."""
    with pytest.raises(UsageError) as caught:
        Keyring.parse(text)
    assert complaint in str(caught.value)
    assert "short-secret" not in str(caught.value)
    assert WRITE_KEY not in str(caught.value)


def test_keyring__shows_no_key() -> None:
    """Neither its representation nor its fields hold what was given."""
    assert WRITE_KEY not in repr(Keyring.parse(f"write:{WRITE_KEY}"))


def test_allows__who_writes_may_read() -> None:
    """And not the other way round."""
    assert allows(Scope.WRITE, Scope.READ)
    assert allows(Scope.READ, Scope.READ)
    assert not allows(Scope.READ, Scope.WRITE)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_is_loopback__addresses(host: str, expected: bool) -> None:
    """Only addresses of this machine alone count."""
    assert is_loopback(host) is expected


def test_require_safe__public_without_keys() -> None:
    """It is refused with the three ways out, and allowed by each of them."""
    with pytest.raises(UsageError, match=r"anyone who reaches 0\.0\.0\.0.*--insecure"):
        require_safe("0.0.0.0", Keyring(), insecure=False)
    require_safe("0.0.0.0", Keyring(), insecure=True)
    require_safe("0.0.0.0", Keyring.parse(f"write:{WRITE_KEY}"), insecure=False)
    require_safe("127.0.0.1", Keyring(), insecure=False)
