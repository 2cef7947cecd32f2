"""The retrain job of a running service: started, followed, and reported like one of our own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from head.options import RetrainOptions, RetrainResult, RetrainStatus
from head.steps import Standing, Step
from holotype.errors import HolotypeError
from holotype.transport import error_of

if TYPE_CHECKING:
    from head.steps import Tell
    from holotype.client import ServiceClient

POLL_S = 0.25
"""How often the service is asked how far it is, seconds."""


def retrain_remotely(
    client: ServiceClient, options: RetrainOptions, *, tell: Tell
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
    try:
        while state["state"] == "running":
            tell(_standing(state))
            time.sleep(POLL_S)
            state = client.retrain_state()
    except KeyboardInterrupt:
        # Who started it ends it. A service of before cannot be told.
        with suppress(HolotypeError):
            client.cancel_retrain()
        raise
    if state["error"] is not None:
        raise error_of(state["error_type"], state["error"])
    result = _result(state["result"])
    if result.status is not RetrainStatus.NOT_NEEDED:
        tell(Standing(Step.PUBLISHING, 1.0))
    return result


def _standing(state: Mapping[str, Any]) -> Standing:
    """A service of before gives no share."""
    return Standing(state["step"] or "", (state.get("percent") or 0.0) / 100)


def _result(data: Mapping[str, Any]) -> RetrainResult:
    return RetrainResult(
        status=RetrainStatus(data["status"]),
        reason=data["reason"],
        version=data["version"],
        report=data["report"],
    )
