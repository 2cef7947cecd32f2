"""`docs/service.md` says what the service does: operations, scopes, settings, examples."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from holotype.images.cost import MAX_PIXELS
from holotype.images.recipe import THUMBNAIL_SIDE
from holotype.settings import Settings
from tests.classify.conftest import picture
from tests.running import Running

PAGE = (Path(__file__).parents[3] / "docs/service.md").read_text(encoding="utf-8")
CURL = [
    line.replace("\\\n", " ") for line in re.findall(r"^curl (?:.*\\\n)*.*$", PAGE, re.MULTILINE)
]


def test_operations__the_table_is_the_document_s(reading: Running) -> None:
    """Every operation of the OpenAPI document is in the table, and no other."""
    paths = reading.http.get("/openapi.json").json()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", PAGE, re.MULTILINE)) == there


def test_scopes__as_the_table_has_them(reading: Running) -> None:
    """A read key is refused exactly where the table says write."""
    from tests.running import running

    key = "r" * 20
    with running(reading.service.store, keys=f"read:{key}") as service:
        rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \| (\w+) \|", PAGE, re.MULTILINE)
        assert len(rows) > 20
        for method, path, scope in rows:
            headers = {} if scope == "none" else {"X-API-Key": key}
            url = re.sub(r"\{\w+\}", "x", path)
            status = service.http.request(method, url, headers=headers).status_code
            assert (status == 403) == (scope == "write"), f"{method} {path}: {status}"
            assert status != 401, f"{method} {path}"


def test_bounds__are_the_settings() -> None:
    """Names and defaults."""
    settings = Settings.load()
    unset = {"by device": None, str(MAX_PIXELS // 10**6): None, str(THUMBNAIL_SIDE): None}
    rows = re.findall(r"^\| `HOLOTYPE_(\w+)` \| (\d+|by device) \|", PAGE, re.MULTILINE)
    assert len(rows) > 8
    for name, value in rows:
        default = getattr(settings, name.lower())
        assert default == (unset[value] if default is None else int(value)), name


@pytest.mark.parametrize("line", CURL, ids=range(len(CURL)))
def test_examples__run(service: Running, tmp_path: Path, line: str) -> None:
    """Each curl line is answered with 200 where its files are there."""
    from shutil import which

    if which("curl") is None:
        pytest.skip("no curl")
    for n, name in enumerate(re.findall(r"@(\S+?\.jpg)", line)):
        (tmp_path / name).write_bytes(picture("red", 900 + n))
    vectors = [[1.0] * service.service.store.fingerprint.dimension]
    added = [{"vector": vector, "label": "wasp"} for vector in vectors]
    space = service.service.store.fingerprint.id
    (tmp_path / "queries.json").write_text(json.dumps({"vectors": vectors}))
    body = {"space": space, "references": added}
    (tmp_path / "references.json").write_text(json.dumps(body))
    expected = 409 if "mode=linear" in line else 200  # nothing is trained here
    arguments = shlex.split(line.replace("http://127.0.0.1:8000", service.url))
    done = subprocess.run(
        [*arguments, "--silent", "--noproxy", "*", "--write-out", "\n%{http_code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == str(expected), done.stdout
