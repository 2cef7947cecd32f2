"""A running service, in the words of the store. Imports neither torch nor an engine.

`ServiceClient` has the operations on references and heads that a store has, so that a
command works on either, and those that only a service has: classify and add pictures with
its warm encoder, and run the retrain job.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from holotype.errors import ServiceError
from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord
from holotype.history import Action, Entry, Undoing
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from holotype.references import EVERYTHING, Reference, VectorBatch, Vectors, Where
from holotype.store.port import WHENEVER, Damage, Page, Verification
from holotype.transport import ANSWER_S, PATIENCE_S, Transport, file_of, not_a_service
from holotype.uploads import BYTES_PER_NUMBER, json_requests

if TYPE_CHECKING:
    from holotype.exports import Whole
    from holotype.intake.vectors import VectorRecord

IDS_PER_CALL = 5_000
PAGE = 1_000
"""Bounds of the service for one request."""


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What one request may hold."""

    images: int
    """As many vectors."""
    body_bytes: int
    """Of a request with pictures."""
    vectors_bytes: int = 0
    """Of a request with vectors; 0: of a service that takes none."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A picture to upload, with what is known of it."""

    name: str
    data: bytes
    label: str = ""
    group: str | None = None
    meta: Mapping[str, str] | None = None


class ServiceClient:
    """Talks to one service. Safe for use by several threads."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        patience_s: float = PATIENCE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Point at a service; nothing is sent yet.

        Args:
            url: where it serves, such as `http://127.0.0.1:8000`.
            api_key: where it takes one.
            patience_s: how long a busy service is asked again.
            answer_s: how long an answer is waited for.

        Raises:
            UsageError: this is no address.
        """
        self._transport = Transport(url, api_key=api_key, patience_s=patience_s, answer_s=answer_s)
        self.url, self._json = self._transport.url, self._transport.json
        self._about: dict[str, Any] | None = None
        self._asking = threading.Lock()

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; calling it twice is fine."""
        self._transport.close()

    # -- the gallery ----------------------------------------------------------------

    @property
    def gallery(self) -> str:
        """The name of the service's gallery."""
        return str(self.about()["name"])

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space of the service's gallery."""
        return Fingerprint.from_dict(self.about()["fingerprint"])

    @property
    def limits(self) -> ServiceLimits:
        """What one request may hold."""
        about = self.about()
        return ServiceLimits(
            int(about["max_images"]),
            int(about["max_body_bytes"]),
            int(about.get("max_vectors_bytes", 0)),
        )

    def about(self) -> Mapping[str, Any]:
        """`GET /v1/gallery`, asked once."""
        with self._asking:
            if self._about is None:
                self._about = self._json("GET", "/v1/gallery")
            return self._about

    # -- references, as in `VectorStore` --------------------------------------------

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        """See `VectorStore.existing`."""
        labels: dict[str, str] = {}
        for start in range(0, len(ids), IDS_PER_CALL):
            some = list(ids[start : start + IDS_PER_CALL])
            labels |= self._json("POST", "/v1/references/known", json={"ids": some})["labels"]
        return labels

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """See `VectorStore.get`."""
        found: list[Reference] = []
        for start in range(0, len(ids), PAGE):
            some = list(ids[start : start + PAGE])
            page = self._json("POST", "/v1/references/get", json={"ids": some})
            found += [Reference(**one) for one in page["references"]]
        return found

    def counts(self, key: str = "label", *, where: Where = EVERYTHING) -> dict[str, int]:
        """See `VectorStore.counts`; of labels only."""
        if key != "label":
            raise ValueError("a service counts labels only")
        found = self._json("GET", "/v1/classes", params={"where": where.expressions()})
        return {c["label"]: c["count"] for c in found["classes"]}

    def count(self, *, where: Where = EVERYTHING) -> int:
        """See `VectorStore.count`."""
        return sum(self.counts(where=where).values())

    def list_references(
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page:
        """See `VectorStore.list_references`."""
        references: list[Reference] = []
        while len(references) < limit:
            params = {"where": where.expressions(), "limit": min(PAGE, limit - len(references))}
            if after is not None:
                params["after"] = after
            page = self._json("GET", "/v1/references", params=params)
            references += [Reference(**found) for found in page["references"]]
            after = page.get("next_after")
            if after is None:
                break
        return Page(references, after)

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """See `VectorStore.thumbnails`; a request each."""
        found: dict[str, bytes] = {}
        for id_ in ids:
            try:
                with self._transport.stream("GET", f"/v1/references/{id_}/thumbnail") as response:
                    found[id_] = response.read()
            except ServiceError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
        return found

    def relabel(
        self,
        label: str,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int:
        """See `VectorStore.relabel`."""
        body = {"where": where.expressions(), "label": label}
        return self._change("relabel", body, action or Action.new("relabel"), ids=ids)

    def regroup(
        self, group: str | None, *, ids: Iterable[str], action: Action | None = None
    ) -> int:
        """See `VectorStore.regroup`."""
        return self._change("regroup", {"group": group}, action or Action.new("regroup"), ids=ids)

    def dismiss(self, marks: Mapping[str, str], *, action: Action | None = None) -> int:
        """See `VectorStore.dismiss`."""
        action, pairs, changed = action or Action.new("dismiss"), [*marks.items()], 0
        for start in range(0, len(pairs), IDS_PER_CALL):
            some = dict(pairs[start : start + IDS_PER_CALL])
            changed += self._change("dismiss", {"marks": some}, action)
        return changed

    def remove(
        self,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int:
        """See `VectorStore.remove`."""
        body = {"where": where.expressions()}
        return self._change("remove", body, action or Action.new("remove"), ids=ids)

    # -- history --------------------------------------------------------------------

    def history(
        self,
        *,
        label: str | None = None,
        id: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> list[Entry]:
        """See `VectorStore.history`."""
        asked = {"label": label, "id": id, "limit": limit}
        params = {name: value for name, value in asked.items() if value is not None}
        found = self._json("GET", "/v1/history", params=params)
        return [Entry.from_dict(one) for one in found["actions"]]

    def undo(
        self, action_id: str, *, action: Action | None = None, dry_run: bool = False
    ) -> Undoing:
        """See `VectorStore.undo`."""
        by = action or Action.new("undo")
        body = {"who": by.who, "why": by.why, "dry_run": dry_run}
        path = f"/v1/history/{quote(action_id, safe='')}/undo"
        return Undoing.from_dict(self._json("POST", path, json=body))

    # -- heads ----------------------------------------------------------------------

    def heads(self) -> list[HeadRecord]:
        """See `VectorStore.heads`."""
        return [
            HeadRecord(
                version=head["version"],
                created_at=head["created_at"],
                status=head["status"],
                labels=tuple(head["labels"]),
                report=head["report"],
            )
            for head in self._json("GET", "/v1/heads")["heads"]
        ]

    def active_head(self) -> ActiveHead | None:
        """See `VectorStore.active_head`."""
        found = self._json("GET", "/v1/heads")
        if found.get("active") is None:
            return None
        return ActiveHead(found["active"], tuple(found["history"]))

    def promote(self, version: str) -> ActiveHead:
        """Make a version active.

        Raises:
            UnknownHead: no such version.
        """
        return _active(self._json("POST", f"/v1/heads/{quote(version, safe='')}/promote"))

    def rollback(self) -> ActiveHead:
        """Go back to the version that was active before.

        Raises:
            HeadError: there is none.
        """
        return _active(self._json("POST", "/v1/heads/rollback"))

    def start_retrain(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Start the retrain job; returns its state.

        Raises:
            HeadBusy: it is running already.
        """
        return dict(self._json("POST", "/v1/retrain", json=dict(options)))

    def retrain_state(self) -> Mapping[str, Any]:
        """How far the retrain job is."""
        return dict(self._json("GET", "/v1/retrain"))

    def cancel_retrain(self) -> Mapping[str, Any]:
        """End the retrain job, if it runs; returns its state, in which it may be running still."""
        return dict(self._json("DELETE", "/v1/retrain"))

    # -- keeping --------------------------------------------------------------------

    def verify(self, *, repair: bool = False) -> Verification:
        """See `VectorStore.verify`."""
        found = self._json("POST", "/v1/verify", json={"repair": repair})
        damages = [Damage(d["item"], d["problem"], d["mended"]) for d in found["damages"]]
        return Verification(found["references"], found["heads"], damages)

    def backup(self, file: BinaryIO) -> None:
        """See `VectorStore.backup`."""
        with self._transport.stream("POST", "/v1/backup") as response:
            for block in response.iter_bytes():
                file.write(block)

    def export(
        self, *, where: Where = EVERYTHING, changed_until: int | None = None
    ) -> Iterator[VectorBatch]:
        """See `VectorStore.export`: all of one moment, or each as it is when it is read.

        Args:
            where: only references that match.
            changed_until: `holotype.store.port.WHENEVER`, or None for one moment.

        Raises:
            UsageError: the filter names a key that no reference carries.
            StoreMoved: references came or went whenever they were read.
        """
        from holotype.arrow import read_stream

        if changed_until not in (None, WHENEVER):
            raise ValueError("a service exports one moment, or whenever it reads")
        params = {"where": where.expressions(), "moment": changed_until is None}
        with self._transport.stream("GET", "/v1/export", params=params) as response:
            try:
                yield from read_stream(file_of(response))
            except (ValueError, KeyError, OSError) as error:
                raise not_a_service(response) from error

    def export_whole(self, *, where: Where = EVERYTHING, moment: bool = True) -> Whole:
        """`GET /v1/export` with everything that a reference is, thumbnails too.

        Raises:
            UsageError, StoreMoved: as for `export`.
        """
        from holotype.arrow import read_whole_stream

        params = {"where": where.expressions(), "moment": moment, "whole": True}
        with self._transport.stream("GET", "/v1/export", params=params) as response:
            try:
                yield from read_whole_stream(file_of(response))
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise not_a_service(response) from error

    # -- pictures -------------------------------------------------------------------

    def classify(
        self, images: Sequence[Outgoing], options: Mapping[str, str | list[str]]
    ) -> list[dict[str, Any]]:
        """`POST /v1/classify`: a result per image (query, answer, error), in order.

        Args:
            images: within `limits`.
            options: form fields, such as `{"mode": "knn", "k": "20"}`.
        """
        found = self._json("POST", "/v1/classify", data=dict(options), files=_files(images))
        return list(found["results"])

    def add(
        self,
        images: Sequence[Outgoing],
        *,
        on_conflict: OnConflict,
        action: Action | None = None,
    ) -> list[FileOutcome]:
        """`POST /v1/references`: an outcome per image, in order. Safe to repeat.

        Args:
            images: within `limits`, each with its label.
            on_conflict: what to do with a picture that is present under another label.
            action: which it is part of; None: one of its own.
        """
        items = [
            {"label": i.label, "group": i.group, "source": i.name, "meta": dict(i.meta or {})}
            for i in images
        ]
        data = {
            "items": json.dumps(items),
            "on_conflict": on_conflict.value,
            "action": json.dumps(_said_of(action or Action.new("add"))),
        }
        return _outcomes(self._json("POST", "/v1/references", data=data, files=_files(images)))

    # -- vectors --------------------------------------------------------------------

    def classify_vectors(
        self, vectors: Vectors, options: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """`POST /v1/classify/vectors`: a result per vector (query, answer, error), in order.

        Args:
            vectors: (Q, D) float32, unit rows of the gallery's space; any number of them.
            options: as JSON, such as `{"mode": "knn", "k": 20}`.
        """
        results: list[dict[str, Any]] = []
        size = BYTES_PER_NUMBER * vectors.shape[1]
        for some in json_requests(vectors, self.limits, size=lambda _: size):
            body = {**options, "vectors": [vector.tolist() for vector in some]}
            results += self._json("POST", "/v1/classify/vectors", json=body)["results"]
        return results

    def add_vectors(
        self,
        records: Sequence[VectorRecord],
        *,
        on_conflict: OnConflict,
        action: Action | None = None,
    ) -> list[FileOutcome]:
        """`POST /v1/references/vectors`: an outcome per record, in order. Safe to repeat.

        Args:
            records: of the gallery's space; any number of them.
            on_conflict: what to do with a reference that is present under another label.
            action: which it is part of; None: one of its own.
        """
        space = self.fingerprint.space or self.fingerprint.id
        outcomes: list[FileOutcome] = []
        said = _said_of(action or Action.new("add"))
        for some in json_requests(records, self.limits, size=_size):
            body = {
                "references": [_item(record) for record in some],
                "on_conflict": on_conflict.value,
                "space": space,
                "action": said,
            }
            outcomes += _outcomes(self._json("POST", "/v1/references/vectors", json=body))
        return outcomes

    # -- queries in doubt -----------------------------------------------------------

    def kept_queries(self) -> Iterator[dict[str, Any]]:
        """`GET /v1/review`: id (hex sha256), query, reason, answers, ..., the newest first."""
        after = None
        while True:
            params = {"limit": PAGE} | ({} if after is None else {"after": after})
            page = self._json("GET", "/v1/review", params=params)
            yield from page["items"]
            after = page.get("next_after")
            if after is None:
                return

    def kept_image(self, id_: str) -> bytes:
        """`GET /v1/review/{id}/image`: a large JPEG of a kept query.

        Raises:
            NotFound: it is not kept, or no longer.
        """
        with self._transport.stream("GET", f"/v1/review/{quote(id_, safe='')}/image") as response:
            return response.read()

    def add_kept(
        self, ids: Sequence[str], label: str, *, on_conflict: OnConflict
    ) -> list[FileOutcome]:
        """`POST /v1/review`: kept queries become references and leave, an outcome each.

        Raises:
            NotFound: one is not kept, or no longer; none of its request was added.
        """
        outcomes: list[FileOutcome] = []
        for start in range(0, len(ids), self.limits.images):
            some = list(ids[start : start + self.limits.images])
            body = {"ids": some, "label": label, "on_conflict": on_conflict.value}
            outcomes += _outcomes(self._json("POST", "/v1/review", json=body))
        return outcomes

    # -- inside ---------------------------------------------------------------------

    def _change(
        self, what: str, body: Mapping[str, Any], action: Action, *, ids: Iterable[str] = ()
    ) -> int:
        """Change references, as many at a time as one request takes."""
        chosen, changed = list(ids), 0
        for start in range(0, max(1, len(chosen)), IDS_PER_CALL):
            whole = {**body, "action": _said_of(action)}
            if chosen:
                whole["ids"] = chosen[start : start + IDS_PER_CALL]
            changed += int(self._json("POST", f"/v1/references/{what}", json=whole)["changed"])
        return changed


def _said_of(action: Action) -> dict[str, Any]:
    return {"id": action.id, "kind": action.kind, "who": action.who, "why": action.why}


def _outcomes(found: Mapping[str, Any]) -> list[FileOutcome]:
    return [
        FileOutcome(**{**outcome, "outcome": Outcome(outcome["outcome"])})
        for outcome in found["outcomes"]
    ]


def _item(record: VectorRecord) -> dict[str, Any]:
    return {"vector": record.vector.tolist(), **_said(record)}


def _size(record: VectorRecord) -> int:
    return BYTES_PER_NUMBER * len(record.vector) + len(json.dumps(_said(record)))


def _said(record: VectorRecord) -> dict[str, Any]:
    said = {
        "id": record.id,
        "label": record.label,
        "group": record.group,
        "source": record.source,
        "meta": dict(record.meta),
    }
    return said if record.kept is None else {**said, "kept": record.kept.to_json()}


def _files(images: Sequence[Outgoing]) -> list[tuple[str, tuple[str, bytes, str]]]:
    # The type says only that it is data: the service looks at the bytes.
    return [("images", (image.name, image.data, "application/octet-stream")) for image in images]


def _active(found: Mapping[str, Any]) -> ActiveHead:
    return ActiveHead(found["version"], tuple(found["history"]))
