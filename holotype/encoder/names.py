"""Names of networks, as far as they can be read without timm."""

from __future__ import annotations

_HUB = ("hf-hub:", "hf_hub:")
LOCAL = "local-dir:"
ELSEWHERE = (*_HUB, LOCAL)
"""timm's schemes for networks that it has not registered."""


def as_timm_calls_it(name: str) -> str:
    """The name of a network that the hub has from timm: beside a file nothing is asked there."""
    scheme, _, repository = name.partition(":")
    owner, _, registered = repository.partition("@")[0].partition("/")
    return registered if f"{scheme}:" in _HUB and owner == "timm" else name


def architecture_of(name: str) -> str | None:
    """The network without the tag of its weights; None where only the hub or a folder tells."""
    name = as_timm_calls_it(name)
    return None if name.startswith(ELSEWHERE) else name.partition(".")[0]
