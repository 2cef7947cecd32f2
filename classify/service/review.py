"""Queries in doubt, kept for a person to look at.

They are files beside the gallery, `HOME/<gallery>/review/<sha256>.image` and `.json`,
because they are not references: nobody has said yet what they are. Kept only where the
setting `keep_queries` allows it, and no more than it says. Each replica of a service keeps
its own.
"""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from classify.service.problems import NotFound
from holotype.store.files import read_json, write_json

_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A query in doubt, without its bytes."""

    id: str
    """Hex sha256 of the file's bytes."""
    query: str
    """The file name as uploaded."""
    kept_at: str
    """ISO 8601, UTC."""
    reason: str
    """Why it is in doubt."""
    answers: dict[str, list[dict[str, Any]]]
    """What each mode said, best first: label and score."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "id": self.id,
            "query": self.query,
            "kept_at": self.kept_at,
            "reason": self.reason,
            "answers": self.answers,
        }


class ReviewQueue:
    """The kept queries of one gallery. Safe for use by several threads."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        """Use a folder, made when the first query is kept.

        Args:
            folder: belongs to this queue alone.
            limit: queries kept at most; 0 keeps none.
        """
        self.limit = limit
        self._folder = folder
        self._guard = threading.Lock()

    def keep(
        self,
        data: bytes,
        *,
        query: str,
        reason: str,
        answers: dict[str, list[dict[str, Any]]],
    ) -> None:
        """Keep a query; the same picture again replaces what was known of it."""
        if not self.limit:
            return
        kept = Kept(
            id=hashlib.sha256(data).hexdigest(),
            query=query,
            kept_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            reason=reason,
            answers=answers,
        )
        with self._guard:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The description is written last: without it, the bytes are nobody's.
            self._image(kept.id).write_bytes(data)
            write_json(self._description(kept.id), kept.to_dict())
            for old in self._all()[self.limit :]:
                self._forget(old.id)

    def all(self) -> list[Kept]:
        """The kept queries, the newest first."""
        with self._guard:
            return self._all()

    def get(self, id_: str) -> tuple[Kept, bytes]:
        """A kept query and its bytes.

        Raises:
            NotFound: it is not kept, or no longer.
        """
        with self._guard:
            kept = self._read(id_) if _ID.fullmatch(id_) else None
            if kept is None:
                raise NotFound(f"no query {id_!r} is kept for review (any more)")
            return kept, self._image(id_).read_bytes()

    def forget(self, id_: str) -> None:
        """Drop a kept query.

        Raises:
            NotFound: it is not kept.
        """
        self.get(id_)
        with self._guard:
            self._forget(id_)

    def _all(self) -> list[Kept]:
        found = (self._read(path.stem) for path in self._folder.glob("*.json"))
        kept = [query for query in found if query is not None]
        return sorted(kept, key=lambda query: (query.kept_at, query.id), reverse=True)

    def _read(self, id_: str) -> Kept | None:
        data = read_json(self._description(id_))
        return None if data is None else Kept(**data)

    def _forget(self, id_: str) -> None:
        self._description(id_).unlink(missing_ok=True)
        self._image(id_).unlink(missing_ok=True)

    def _image(self, id_: str) -> Path:
        return self._folder / f"{id_}.image"

    def _description(self, id_: str) -> Path:
        return self._folder / f"{id_}.json"
