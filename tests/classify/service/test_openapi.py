"""The OpenAPI document is complete and true: schemathesis tries to break it."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.classify.service.conftest import Serve
from tests.running import Running

EXAMPLES = int(os.environ.get("HOLOTYPE_TEST_EXAMPLES", "6"))
"""Requests per operation and kind: each is a round trip through the real service. `make fuzz`
asks for more."""

KEY = "w" * 16

MEANT = {
    # 422 is also for what is well-formed and means nothing here: a filter key that no reference
    # has, a label without a visible character, an image without a label.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
}

ISSUE = {
    ("post", "/v1/classify"),
    ("post", "/v1/classify/vectors"),
    ("post", "/v1/references"),
    ("post", "/v1/references/vectors"),
    ("get", "/v1/export"),
    ("get", "/v1/references"),
    ("patch", "/v1/references/{id}"),
    ("delete", "/v1/references/{id}"),
    ("get", "/v1/references/{id}/thumbnail"),
    ("get", "/v1/classes"),
    ("get", "/v1/heads"),
    ("post", "/v1/heads/{version}/promote"),
    ("post", "/v1/heads/rollback"),
    ("post", "/v1/retrain"),
    ("get", "/v1/retrain"),
    ("delete", "/v1/retrain"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


def test_document__operations_and_examples(reading: Running) -> None:
    """Every promised operation is there, described; every model of the API has an example."""
    document = reading.http.get("/openapi.json").json()
    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() >= ISSUE
    for (method, path), operation in operations.items():
        assert operation["summary"], f"{method} {path}"
        assert operation["description"], f"{method} {path}"
    forms = {"ClassifyForm", "AddForm", "Item"}
    for name, schema in document["components"]["schemas"].items():
        if schema["type"] == "object" and name not in forms:
            assert schema.get("examples"), f"{name} has no example"


def test_document__examples_fit_their_models(reading: Running) -> None:
    """An example that its own schema refuses would mislead."""
    import jsonschema

    document = reading.http.get("/openapi.json").json()
    checked = 0
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            jsonschema.validate(example, {**schema, "components": document["components"]})
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda m: m.value)
def test_schemathesis__no_server_error(serve: Serve, mode: GenerationMode) -> None:
    """Requests made from the document, valid and not, never end in a server error.

    Answers also have a status, a content type and a body that the document announces; what it
    forbids is refused, what it allows is not; nothing is answered without the key.
    """
    running = serve(job=_Nothing(), keys=f"write:{KEY}")
    config = SchemathesisConfig.from_dict({"checks": MEANT})
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json", config=config)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) >= len(ISSUE)
    sent = sum(_attack(operation, mode) for operation in operations)
    assert sent > 2 * len(operations)
    assert running.http.get("/readyz").status_code == 200


def _attack(operation: Any, mode: GenerationMode) -> int:
    """Send requests to one operation; returns how many there were."""
    sent = 0
    is_form = "multipart/form-data" in operation.get_request_payload_content_types()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="HOLOTYPE_TEST_EXAMPLES" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def attempt(case: Any) -> None:
        nonlocal sent
        sent += 1
        headers = {"Authorization": f"Bearer {KEY}"}
        # What is wrong with some requests is not on the wire: all parts of a form are text, an
        # empty list in a query is nothing, and the key is always right.
        nothing = any(value in ([], {}, None) for value in (case.query or {}).values())
        excluded = [negative_data_rejection] if is_form or nothing else []
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    try:
        attempt()
    except Unsatisfiable:
        return 0  # an operation that takes nothing cannot be asked wrongly
    return sent


class _Nothing:
    """A retrain job that is done at once."""

    def run(self, _options: Any, _tell: Any, _check: Any) -> dict[str, Any]:
        return {"status": "not_needed"}

    def stop(self) -> None:
        """There is nothing to end."""
