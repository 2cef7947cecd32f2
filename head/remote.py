"""The retrain job of a running service: started, followed, and reported like one of our own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from head.options import RetrainOptions, RetrainResult, RetrainStatus
from holotype.transport import error_of

if TYPE_CHECKING:
    from holotype.client import ServiceClient

POLL_S = 0.25
"""How often the service is asked how far it is, seconds."""


def retrain_remotely(
    client: ServiceClient, options: RetrainOptions, *, say: Callable[[str], None]
) -> RetrainResult:
    """Have the service train, and wait for it. Where it computes is the service's choice.

    Raises:
        HeadBusy: another retrain is running on this gallery.
        HolotypeError: what ended the job; or the service does not answer any more.
    """
    state = client.start_retrain(
        {
            "if_needed": options.if_needed,
            "min_new": options.min_new,
            "force": options.force,
            "seed": options.seed,
        }
    )
    step = None
    while state["state"] == "running":
        if state["step"] != step:
            step = state["step"]
            say(f"the service: {step}")
        time.sleep(POLL_S)
        state = client.retrain_state()
    if state["error"] is not None:
        raise error_of(state["error_type"], state["error"])
    return _result(state["result"])


def _result(data: Mapping[str, Any]) -> RetrainResult:
    return RetrainResult(
        status=RetrainStatus(data["status"]),
        reason=data["reason"],
        version=data["version"],
        report=data["report"],
    )
