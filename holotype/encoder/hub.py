"""The Hugging Face hub, asked only when it must be.

Weights that were fetched once are taken from the hub library's cache without a request, so a
machine that lost its network, or never had a fast one, starts at once. And an absent hub is
noticed in seconds: the library itself would retry for most of a minute before it gave up.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache

PROBE_SECONDS = 10.0
_FILE_NAMES = ("model.safetensors", "pytorch_model.bin")  # timm's order


def cached_weights(config: Mapping[str, Any]) -> Path | None:
    """The weights file of a timm configuration where it is in the local cache."""
    repository = config.get("hf_hub_id")
    if not repository or config.get("custom_load"):
        return None
    repository, _, revision = str(repository).partition("@")
    names = (config["hf_hub_filename"],) if config.get("hf_hub_filename") else _FILE_NAMES
    for name in names:
        found = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def check_it_answers() -> None:
    """Send one request, through the proxies of the environment.

    Raises:
        httpx.HTTPError: there is no hub to be had from here.
    """
    import httpx  # only here and where it failed: 60 ms

    if not constants.HF_HUB_OFFLINE:  # else the library refuses by itself, at once
        httpx.head(constants.ENDPOINT, timeout=PROBE_SECONDS)


def failures() -> tuple[type[Exception], ...]:
    """What an unreachable or refusing hub ends in, by the layers below timm.

    Sockets and files, the HTTP client (proxies that it cannot use included), and timm's own "no
    pretrained weights exist".
    """
    import httpx

    return OSError, httpx.HTTPError, httpx.InvalidURL, ImportError, RuntimeError, ValueError
