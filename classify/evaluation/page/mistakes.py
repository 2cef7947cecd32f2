"""The worst mistakes, with the neighbours that led to them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from classify.evaluation.evaluation import Exhibit, Shown
from classify.evaluation.page.markup import Markup, element


def mistakes(exhibits: Sequence[Exhibit], thumbnails: Mapping[str, bytes], *, name: str) -> Markup:
    """A card per mistake, the most confident first."""
    if not exhibits:
        return element("p", f"{name} made no mistake.")
    return element(
        "ol",
        (element("li", _card(exhibit, thumbnails)) for exhibit in exhibits),
        class_="cards",
        aria_label=f"The most confident mistakes of {name}",
    )


def _card(exhibit: Exhibit, thumbnails: Mapping[str, bytes]) -> Markup:
    return element(
        "article",
        element(
            "div",
            _image(exhibit.thumbnail, f"the query, a {exhibit.truth}", class_="query"),
            element(
                "dl",
                element("div", element("dt", "is"), element("dd", exhibit.truth, class_="truth")),
                element(
                    "div",
                    element("dt", "answered"),
                    element("dd", exhibit.answered, class_="answered"),
                ),
                element("div", element("dt", "score"), element("dd", f"{exhibit.score:.2f}")),
            ),
            class_="head",
        ),
        element("p", PurePath(exhibit.name).name, class_="file", title=exhibit.name),
        element(
            "ul",
            (_neighbour(n, exhibit.truth, thumbnails) for n in exhibit.neighbours),
            class_="neighbours",
            aria_label="nearest references",
        ),
        class_="card",
    )


def _neighbour(shown: Shown, truth: str, thumbnails: Mapping[str, bytes]) -> Markup:
    right = shown.label == truth
    learned = "" if shown.learned is None else f", learned metric {shown.learned:.3f}"
    return element(
        "li",
        _image(thumbnails.get(shown.id), f"reference, {shown.label}"),
        element("span", shown.label, class_="of-truth" if right else "of-other"),
        element("span", f"{shown.closeness:.2f}", class_="similarity"),
        title=f"{shown.label}, cosine {shown.similarity:.3f}{learned}: {shown.source}",
    )


def _image(jpeg: bytes | None, words: str, *, class_: str | None = None) -> Markup:
    if jpeg is None:
        return element("div", "no picture", class_="no-picture")
    data = base64.b64encode(jpeg).decode()
    return element("img", src=f"data:image/jpeg;base64,{data}", alt=words, class_=class_)
