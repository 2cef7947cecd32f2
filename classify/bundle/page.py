"""Answers as a page with their evidence: one file, nothing from elsewhere, no script."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from classify.bundle.table import named
from holotype.errors import OutputError

if TYPE_CHECKING:
    from classify.answering.answers import Answer, Evidence, QueryResult

_HEAD: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: auto; padding: 1rem }}
section {{ display: flex; gap: 1.5rem; border-top: 1px solid #8886; padding: 1rem 0 }}
h2 {{ font-size: 1rem; margin: 0; overflow-wrap: anywhere }}
p {{ margin: 0 }}
img {{ display: block; max-width: 8rem; max-height: 8rem }}
ul {{ display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; font-size: .8rem }}
li {{ max-width: 8rem; overflow-wrap: anywhere }}
.unsure, .unknown {{ font-style: italic }}
</style>
<h1>{title}</h1>
"""


class EvidencePage:
    """Writes a section a result; leaving it as a context ends the page."""

    def __init__(self, path: Path, *, gallery: str, thumbnail: Callable[[str], bytes]) -> None:
        """Begin a page, in place of any that is there.

        Args:
            path: of the file.
            gallery: its name.
            thumbnail: gives the JPEG of a reference by its id.
        """
        self._path = path
        self._title = f"Answers of gallery {gallery}"
        self._thumbnail = thumbnail

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise OutputError(f"page {self._path}", error) from error
        self._write(_HEAD.format(title=escape(self._title)))
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, result: QueryResult) -> None:
        """One query, its answer and what it looks like; or why there is none."""
        picture = "" if result.thumbnail is None else _image(result.thumbnail, "the query")
        said = escape(result.problem or "") if result.answer is None else self._said(result.answer)
        self._write(
            f"<section>{picture}<div><h2>{escape(result.query)}</h2>{said}</div></section>\n"
        )

    def _said(self, answer: Answer) -> str:
        scores = ", ".join(f"{escape(s.label)} {s.score:.3f}" for s in named(answer))
        scores = scores or f"looks most like {escape(answer.best or 'nothing')}"
        why = f" ({escape(answer.why)})" if answer.why else ""
        rows = self._row("because of" if answer.voted else "looks like", answer.neighbours)
        rows += self._row(f"the nearest references of {answer.best}", answer.class_neighbours)
        return f'<p class="{answer.state}"><b>{answer.state}</b>{why}: {scores}</p>{rows}'

    def _row(self, heading: str, evidence: Sequence[Evidence]) -> str:
        items = "".join(
            f"<li>{_image(self._thumbnail(one.id), one.label)}{escape(one.label)} "
            f"{one.similarity:.2f}<br>{escape(one.source)}</li>"
            for one in evidence
        )
        return f"<p>{escape(heading)}</p><ul>{items}</ul>" if items else ""

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            raise OutputError(f"page {self._path}", error) from error


def _image(jpeg: bytes, called: str) -> str:
    data = base64.b64encode(jpeg).decode()
    return f'<img alt="{escape(called)}" src="data:image/jpeg;base64,{data}">'
