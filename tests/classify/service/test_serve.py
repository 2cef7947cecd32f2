"""`classify serve` as a process: how it starts, whom it turns away, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from classify.service.command import bind, url_of
from classify.service.command import run as run_service
from demo.weights import BACKBONE
from holotype.access import find_service
from holotype.errors import EncoderError, StoreLocked, UsageError
from holotype.fingerprint import Fingerprint
from holotype.intake.batch import Intake
from holotype.intake.vectors import incoming_vectors, vector_records
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.lock import OWNER_FILE, read_owner
from tests.classify.conftest import COLOURS, picture
from tests.classify.service.conftest import images
from tests.fakes import ColourEncoder

START_S = 120.0
CLIENT_TIMEOUT_S = "2"
"""How long a client may keep these services waiting, seconds."""


@dataclass
class Serving:
    """A running `classify serve`."""

    process: subprocess.Popen[str]
    url: str
    home: Path


def serve_command(*options: str) -> list[str]:
    """The command line, for a free port."""
    return [sys.executable, "-m", "classify", "serve", "--port", "0", *options]


@contextmanager
def serving(home: Path, checkpoint: Path) -> Iterator[Serving]:
    """Start it with EfficientNet-Lite0, wait until it says where it serves; end it after."""
    process = subprocess.Popen(
        serve_command("--device", "cpu", "--create"),
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ
        | {
            "HOLOTYPE_HOME": str(home),
            "HOLOTYPE_BACKBONE": BACKBONE,
            "HOLOTYPE_CHECKPOINT": str(checkpoint),
            "HOLOTYPE_IMAGE_SIZE": "64",
            "HOLOTYPE_CLIENT_TIMEOUT": CLIENT_TIMEOUT_S,
        },
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"serving gallery 'default' at (http://\S+)", line):
                yield Serving(process, found[1], home)
                break
        else:
            pytest.fail("it ended before it served")
    finally:
        process.terminate()
        process.wait(START_S)
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, lite0_checkpoint: Path) -> Iterator[Serving]:
    """A service with real weights, shared by the tests of this file."""
    with serving(tmp_path_factory.mktemp("serve"), lite0_checkpoint) as running:
        yield running


def test_serve__makes_its_gallery_and_is_ready(served: Serving) -> None:
    """A fresh machine needs nothing before the first command; pictures go in and are known."""
    assert httpx.get(f"{served.url}/readyz").json()["status"] == "ok"
    for colour in COLOURS:
        added = httpx.post(
            f"{served.url}/v1/references",
            data={"label": colour},
            files=images(*(picture(colour, n) for n in range(3))),
            timeout=START_S,
        )
        assert {o["outcome"] for o in added.json()["outcomes"]} <= {"added", "already_present"}
    answer = httpx.post(
        f"{served.url}/v1/classify",
        files=images(picture("red", 99)),
        data={"k": "3"},
        timeout=START_S,
    ).json()["results"][0]["answer"]
    assert answer["label"] == "red"
    about = httpx.get(f"{served.url}/v1/gallery").json()
    assert about["fingerprint"]["backbone"] == "tf_efficientnet_lite0"


def test_serve__leaves_its_address_beside_the_lock(served: Serving) -> None:
    """Other commands find it; a second owner is turned away with the address."""
    owner = read_owner(served.home, "default")
    assert owner is not None
    assert (owner.command, owner.url, owner.pid) == (
        "classify serve",
        served.url,
        served.process.pid,
    )
    from holotype.settings import Settings
    from holotype.store.factory import open_store

    with pytest.raises(StoreLocked, match=f"--server {served.url}"):
        open_store(Settings.load(home=served.home), fingerprint=None, command="a test")


def test_serve__ends_cleanly_on_a_signal(tmp_path: Path, lite0_checkpoint: Path) -> None:
    """SIGTERM: the store is closed, its lock and record are gone, exit code 0."""
    with serving(tmp_path / "home", lite0_checkpoint) as running:
        assert (tmp_path / "home" / "default" / OWNER_FILE).exists()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(START_S) == 0
        assert running.process.stderr is not None
        assert "stopped serving" in running.process.stderr.read()
    assert not (tmp_path / "home" / "default" / OWNER_FILE).exists()


def test_serve__ends_whatever_clients_do(tmp_path: Path, lite0_checkpoint: Path) -> None:
    """Half a hundred requests that are never sent to their end hold up no end, and no log."""
    head = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\n"
    body = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999\r\n\r\n--b"
    with ExitStack() as clients, serving(tmp_path / "home", lite0_checkpoint) as running:
        url = httpx.URL(running.url)
        for sent in (head, head + body) * 25:
            client = socket.create_connection((url.host, url.port or 80))
            clients.enter_context(client).sendall(sent)
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(START_S) == 0
        assert running.process.stderr is not None
        said = running.process.stderr.read()
    assert said == "stopped serving: what was accepted is done\n"


def test_serve__vectors_from_elsewhere_need_no_weights(tmp_path: Path) -> None:
    """It starts where there is no checkpoint, answers vectors, and ends as any other."""
    space = Fingerprint.of_space("my-encoder v3", 3)
    settings = Settings.load(home=tmp_path)
    with open_store(settings, fingerprint=space, command="test", create=True) as store:
        records = vector_records(np.eye(3), ["a", "b", "c"], dimension=3)
        Intake(store, None).add_vectors(incoming_vectors(records, space))
    with serving(tmp_path, tmp_path / "no such file") as running:
        assert httpx.get(f"{running.url}/readyz").json()["status"] == "ok"
        body = {"vectors": [[0, 5, 1]], "k": 1}
        answered = httpx.post(f"{running.url}/v1/classify/vectors", json=body).json()
        assert answered["results"][0]["answer"]["label"] == "b"
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(START_S) == 0


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, "anyone who reaches 0.0.0.0 could read and change"),
        (["--host", "10.255.255.1"], {"HOLOTYPE_API_KEYS": "write:" + "k" * 16}, "cannot listen"),
        ([], {"HOLOTYPE_API_KEYS": "write:short"}, "key 1 has 5 characters"),
        (["--port", "70000"], {}, "setting port"),
        (["--queue-length", "0"], {}, "setting queue_length"),
    ],
)
def test_serve__refuses_before_it_loads_anything(
    tmp_path: Path, options: list[str], environment: dict[str, str], said: str
) -> None:
    """Wrong usage is exit code 2, one line, at once: no weights are loaded for it."""
    done = subprocess.run(
        [*serve_command(), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
        env=os.environ | {"HOLOTYPE_HOME": str(tmp_path)} | environment,
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_serve__others_reach_the_gallery_while_weights_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks in these seconds opens the store, and is not sent to a service that is deaf."""
    settings = Settings.load(home=tmp_path, port=0)
    fingerprint = ColourEncoder().fingerprint
    open_store(settings, fingerprint=fingerprint, command="test", create=True).close()
    seen: list[object] = []

    def load(_settings: Settings) -> ColourEncoder:
        seen.append(find_service(settings))
        with open_store(settings, fingerprint=None, command="test") as store:
            seen.append(store.count())
        raise EncoderError("seen enough")

    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", load)
    monkeypatch.setattr("classify.service.linear_algebra.hold_to_one_thread", lambda: None)
    with pytest.raises(EncoderError, match="seen enough"):
        run_service(settings)
    assert seen == [None, 0]


def test_bind__a_port_that_is_taken() -> None:
    """The message names address and port, and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1 port {port}.*--port"):
            bind("127.0.0.1", port)


def test_url_of__where_programs_of_this_machine_reach_it() -> None:
    """Listening everywhere is reached through loopback; IPv6 has its brackets."""
    with bind("0.0.0.0", 0) as everywhere:
        assert url_of(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}"
    with bind("127.0.0.1", 0) as here:
        assert url_of(here).startswith("http://127.0.0.1:")
