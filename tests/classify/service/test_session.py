"""One client's session, all over HTTP: classify, add a class, retrain, hot swap, roll back."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from head import apart
from head.steps import Standing
from holotype.client import Outgoing, ServiceClient
from holotype.errors import HeadBusy, HeadError, UnknownHead
from holotype.outcomes import OnConflict, Outcome
from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.service.conftest import Serve
from tests.running import PATIENCE_S, Running


def violet(seed: int) -> Outgoing:
    """A picture of a class that the gallery does not hold at first."""
    noise = np.random.default_rng(seed).integers(-12, 13, (40, 40, 3))
    file = io.BytesIO()
    Image.fromarray((np.array([150, 40, 200]) + noise).astype(np.uint8)).save(file, "PNG")
    return Outgoing(f"violet/{seed}.png", file.getvalue(), label="violet")


def classified(client: ServiceClient, image: Outgoing, mode: str) -> dict[str, Any]:
    """The answer to one image."""
    (result,) = client.classify([image], {"mode": mode, "k": "5"})
    assert result["error"] is None
    answer: dict[str, Any] = result["answer"]
    return answer


def retrained(client: ServiceClient, **options: Any) -> dict[str, Any]:
    """Start the job, follow it to its end, and return how it ended."""
    assert client.start_retrain(options)["state"] == "running"
    deadline = time.monotonic() + 120
    while (state := client.retrain_state())["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return dict(state)


def test_session__from_the_first_query_to_the_rollback(serve: Serve) -> None:
    """Every step of a gallery's life, against one running service that is never restarted."""
    running = serve(in_process=True)
    with running.client() as client:
        known = {"red", "green", "blue"}
        assert classified(client, violet(1), "knn")["label"] in known

        first = retrained(client)
        assert first["state"] == "done", first
        assert first["result"]["status"] == "activated"
        one = first["result"]["version"]
        answer = classified(client, violet(1), "linear")
        assert (answer["label"] in known, answer["head"]) == (True, one)

        # A new class is answered as soon as it is added, without touching what is there.
        outcomes = client.add([violet(n) for n in range(2, 9)], on_conflict=OnConflict.ERROR)
        assert {o.outcome for o in outcomes} == {Outcome.ADDED}
        assert classified(client, violet(1), "knn")["label"] == "violet"
        before = classified(client, violet(1), "linear")
        assert before["head"] == one
        assert any("'violet', added since it was trained" in n for n in before["notices"])

        second = retrained(client, if_needed=True)
        two = second["result"]["version"]
        assert second["state"] == "done", second
        assert second["result"]["status"] == "activated", second
        assert two != one
        after = classified(client, violet(1), "linear")
        assert (after["label"], after["head"]) == ("violet", two)

        assert client.rollback().version == one
        assert classified(client, violet(1), "linear")["head"] == one
        assert client.promote(two).version == two
        assert classified(client, violet(1), "linear")["label"] == "violet"
        assert [head.version for head in client.heads()] == [one, two]
        active = client.active_head()
        assert active is not None
        assert active.version == two

        unneeded = retrained(client, if_needed=True)
        assert unneeded["result"]["status"] == "not_needed"


def test_retrain__nothing_to_train_on(serve: Serve, own_store: VectorStore) -> None:
    """The job's own message reaches the client, and the service goes on."""
    from holotype.references import Where

    own_store.remove(where=Where.parse(["label!=red"]))
    running = serve(in_process=True)
    with running.client() as client:
        state = retrained(client)
        assert state["state"] == "failed"
        assert "holds one class only ('red')" in state["error"]
        assert classified(client, Outgoing("q", picture("red", 90)), "knn")["label"] == "red"


def test_retrain__one_at_a_time(serve_shared: Serve) -> None:
    """A second start is refused while the first one runs."""
    job = _Waiting()
    running = serve_shared(job=job)
    with running.client() as client:
        client.start_retrain({})
        with pytest.raises(HeadBusy, match="running already"):
            client.start_retrain({})
        assert client.retrain_state()["step"] in {"starting", "waiting"}
        job.stop()
        _until(client, lambda state: state["state"] != "running")
        assert client.retrain_state()["state"] == "done"


def test_retrain__is_cancelled(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child ends, the lease is free, the head that answered goes on, and a run may start."""
    running = serve(in_process=True)
    with running.client() as client:
        first = retrained(client)["result"]["version"]
        with monkeypatch.context() as hanging:
            said = json.dumps({"step": "hanging", "share": 0.5})
            program = f"import time; print({said!r}, flush=True); time.sleep(1000)"
            hanging.setattr(apart, "COMMAND", (sys.executable, "-c", program))
            client.start_retrain({})
            state = _until(client, lambda state: state["step"] == "hanging")
            assert state["percent"] == 50
            assert state["elapsed_s"] == pytest.approx(state["eta_s"])
            assert client.cancel_retrain()["state"] in {"running", "cancelled"}
            state = _until(client, lambda state: state["state"] != "running")
        assert (state["state"], state["step"], state["percent"]) == ("cancelled", None, None)
        assert "what answered before goes on answering" in state["error"]
        assert [head.version for head in client.heads()] == [first]
        assert classified(client, violet(1), "linear")["head"] == first
        assert client.cancel_retrain() == state, "there is nothing to cancel"
        second = retrained(client)
        assert second["result"]["version"] != first


def test_retrain__killed_with_the_service(serve: Serve, own_store: VectorStore) -> None:
    """Ending the service ends the training process, and its lease is free again."""
    running = serve(in_process=True)
    with running.client() as client:
        client.start_retrain({})
        running.end()
    progress = running.service.retraining.progress
    assert progress.state in {"failed", "done"}
    if progress.state == "failed":
        assert progress.error == "the process that worked on the store ended before it was done"
    lease = own_store.acquire_lease("retrain", holder="somebody else", seconds=60)
    assert lease.holder == "somebody else"


def test_heads__errors_of_the_store_reach_the_client(reading: Running) -> None:
    """The client raises what the store would have raised."""
    with reading.client() as client:
        with pytest.raises(UnknownHead, match="no head 'nope'"):
            client.promote("nope")
        with pytest.raises(HeadError, match="no trained head"):
            client.rollback()
        assert client.heads() == []
        assert client.active_head() is None
    missing = reading.http.get("/v1/heads/nope")
    assert missing.status_code == 404


class _Waiting:
    """A job that runs until it is stopped."""

    def __init__(self) -> None:
        import threading

        self._stopped = threading.Event()

    def run(self, _options: Any, tell: Any, _check: Any) -> dict[str, Any]:
        tell(Standing("waiting", 0.5))
        assert self._stopped.wait(PATIENCE_S)
        return {"status": "activated"}

    def stop(self) -> None:
        self._stopped.set()


def _until(client: ServiceClient, is_so: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
    """Where the job stands once something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so(state := client.retrain_state()):
        assert time.monotonic() < deadline, state
        time.sleep(0.01)
    return state
