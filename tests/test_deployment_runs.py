"""The compose services' own commands, run as processes with their own environment.

Only addresses and folders differ from a container: Qdrant is the test server, the port is free,
the inbox is a temporary folder, and weights come from a file.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from PIL import Image

if TYPE_CHECKING:
    from tests.holotype.store.qdrant_http import QdrantHttp

ROOT = Path(__file__).parent.parent
KEY = "w" * 32
DEADLINE_S = 120.0
MODULES = {"classify": "classify", "ingest": "ingest", "retrain": "head"}


@pytest.fixture
def services(
    qdrant_http: QdrantHttp, lite0_checkpoint: Path, tmp_path: Path
) -> dict[str, dict[str, Any]]:
    """The services, variables filled in as `docker compose` would from an .env file."""
    dotenv = {
        "QDRANT_API_KEY": "q",
        "HOLOTYPE_API_KEYS": f"write:{KEY}",
        "HOLOTYPE_BACKBONE": "tf_efficientnet_lite0",
        "HOLOTYPE_CHECKPOINT": str(lite0_checkpoint),
        "HOLOTYPE_IMAGE_SIZE": "64",
        "RETRAIN_MIN_NEW": "2",
    }
    text = _interpolate((ROOT / "docker-compose.yml").read_text(), dotenv)
    text = text.replace("http://qdrant:6333", qdrant_http.url)
    services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    for service in services.values():
        service["environment"]["HOLOTYPE_HOME"] = str(tmp_path / "data")
    return services


def test_services__serve_ingest_and_retrain_as_composed(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The service becomes healthy, the worker adds what is put in, the job trains on it."""
    port = _free_port()
    serve = _on(services["classify"], {"0.0.0.0": "127.0.0.1", "8000": str(port)})
    inbox, report = tmp_path / "inbox", tmp_path / "report.jsonl"
    _fill(inbox)
    watch = _on(services["ingest"], {"/inbox": str(inbox), "/data/ingest-watch.jsonl": str(report)})
    with _running(serve, services["classify"]) as service:
        _until_healthy(services["classify"], port, service)
        with _running([*watch, "--json", "--every", "0.05"], services["ingest"]) as worker:
            assert worker.stdout is not None
            outcomes = [json.loads(worker.stdout.readline()) for _ in range(8)]
        assert {o["outcome"] for o in outcomes} == {"added"}
        done = _run_scheduled(services["retrain"])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "activated"
        again = _run_scheduled(services["retrain"])
        assert (again.returncode, json.loads(again.stdout)["status"]) == (0, "not_needed")
        assert _get(port, "/v1/classes")["classes"] == [
            {"label": "blue", "count": 4},
            {"label": "red", "count": 4},
        ]


def _interpolate(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME:?message}`, `${NAME:-default}` as the compose specification has them."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.group(1), match.group(2), match.group(3)
        if name in variables:
            return variables[name]
        assert kind == ":-", f"{name} is required: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)


def _on(service: Mapping[str, Any], instead: Mapping[str, str]) -> list[str]:
    program, *arguments = (instead.get(word, word) for word in service["command"])
    return [sys.executable, "-m", MODULES[program], *arguments]


def _environment(service: Mapping[str, Any]) -> dict[str, str]:
    given = {name: str(value) for name, value in service["environment"].items()}
    return {**os.environ, **given, "PATH": _path_with_commands()}


def _path_with_commands() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@contextmanager
def _running(command: list[str], service: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        env=_environment(service),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def _until_healthy(service: Mapping[str, Any], port: int, process: subprocess.Popen[str]) -> None:
    """Run the health check of the compose file until it passes, as the engine would."""
    kind, program, *arguments = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    command = [sys.executable, *(a.replace(":8000/", f":{port}/") for a in arguments)]
    deadline = time.monotonic() + DEADLINE_S
    while subprocess.run(command, capture_output=True, check=False).returncode:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the health check never passed"


def _run_scheduled(service: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """The crontab's line, by a shell, as the container's cron runs it."""
    line = (ROOT / "deploy/crontab").read_text().splitlines()[-1].split(maxsplit=5)[5]
    program, _, rest = line.partition(" ")
    assert program == "retrain"
    line = f"{shlex.quote(sys.executable)} -m head {rest}"
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=_environment(service),
        capture_output=True,
        text=True,
        check=False,
    )


def _get(port: int, path: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {KEY}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _fill(inbox: Path) -> None:
    """Four noisy pictures of each of two colours."""
    noise = np.random.default_rng(0)
    for label, colour in {"red": (200, 40, 40), "blue": (40, 40, 200)}.items():
        (inbox / label).mkdir(parents=True)
        for i in range(4):
            pixels = np.clip(noise.normal(colour, 25, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(inbox / label / f"{i}.png")
