"""`/v1/curate/map`: where the references lie on the map of the gallery."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from classify.service.dependencies import READ, ServiceDep
from classify.service.models.curation import CurationModel
from classify.service.problems import responses
from classify.service.routes.curate import told
from classify.service.service import Service
from curate.map.gallery_map import map_file
from holotype.errors import UnknownFilterKey
from holotype.store.port import VectorStore

PAGE = 1_000

MetaKey = Annotated[
    str | None,
    Query(max_length=200, description="A metadata key: its values come along, as `meta`."),
]


def router() -> APIRouter:
    """The routes. Who may read may look: nothing is changed."""
    api = APIRouter(prefix="/v1/curate/map", tags=["curation"], dependencies=[READ])
    documented = responses(422) | {
        202: {"model": CurationModel, "description": "It is laid out for the first time."}
    }

    @api.get("", summary="The map of the gallery", responses=documented)
    def look(service: ServiceDep, response: Response, meta: MetaKey = None) -> CurationModel:
        """Where every reference lies, by columns in id order.

        `ids`, `x`, `y`, `label` and `group` as numbers of `labels` and `groups` (-1: none),
        `error`, `novelty` (null: unknown) and `later`; with `meta` its values, in `meta`. It
        starts nothing; 202 while there is none yet and the job runs.
        """
        found = told(service.curation.look("map", _options(service)), response)
        if meta is not None and found.result is not None:
            found.result["meta"] = values_of(service.store, meta, found.result["ids"])
        return found

    @api.post("", summary="Lay the map out", responses=documented)
    def start(service: ServiceDep, response: Response) -> CurationModel:
        """Starts the job and returns, unless it runs already or nothing has changed.

        What came since the map was laid out is put beside its nearest, until it is more than a
        fifth.
        """
        return told(service.curation.start("map", _options(service)), response)

    return api


def values_of(store: VectorStore, key: str, ids: list[str]) -> dict[str, Any]:
    """The values of a metadata key, each once, and which of them each reference has (-1: none).

    Raises:
        UnknownFilterKey: no reference carries the key.
    """
    name = key.removeprefix("meta.")
    known = [one.removeprefix("meta.") for one in store.filter_keys() if one.startswith("meta.")]
    if name not in known:
        raise UnknownFilterKey(f"meta.{name}", store.filter_keys())
    found: dict[str, str] = {}
    after = None
    while True:
        page = store.list_references(limit=PAGE, after=after)
        found |= {r.id: r.meta[name] for r in page.references if name in r.meta}
        after = page.next_after
        if after is None:
            break
    names = sorted(set(found.values()))
    codes = {value: code for code, value in enumerate(names)}
    return {
        "key": name,
        "names": names,
        "codes": [codes[found[id_]] if id_ in found else -1 for id_ in ids],
    }


def _options(service: Service) -> dict[str, Any]:
    return {"kept": str(map_file(service.settings, service.store.fingerprint))}
