"""Damaged pictures of every format through the service."""

from __future__ import annotations

import pytest

from benchmarks.torture.damaged import damaged
from tests.classify.service.conftest import images
from tests.running import Running


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_damaged__each_query_has_its_result(reading: Running) -> None:
    """Two hundred damaged queries: an answer or a reason each, never an error of the service."""
    files = [data for _, data in damaged(200, seed=3)]
    for start in range(0, len(files), 50):
        response = reading.http.post("/v1/classify", files=images(*files[start : start + 50]))
        assert response.status_code == 200
        results = response.json()["results"]
        assert len(results) == 50
        assert all(bool(result["answer"]) != bool(result["error"]) for result in results)
    assert reading.http.get("/readyz").status_code == 200
