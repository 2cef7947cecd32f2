"""Puts the page together: one file with its data, its script and its style."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.evaluation import Evaluation
from classify.evaluation.figures import Figures, to_dict
from holotype.images.decode import decode
from holotype.images.picture import make_thumbnail

PICTURE_SIDE: Final = 128
"""Longest side of the pictures on the page, pixels."""
HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "service" / "static"
"""The charts and the look are those of the service's page."""
STYLES = (STATIC / "app.css", STATIC / "charts.css", HERE / "evaluation.css")
SCRIPTS = (
    *(STATIC / "js" / name for name in ("dom.js", "charts.js")),
    *(HERE / name for name in ("confusion.js", "evaluation.js")),
)
LINKS = re.compile(r"^import [^;]*;\n|^export ", re.MULTILINE)
"""What ties modules together; in one file, as one module, there is nothing to tie."""

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<main id="main" tabindex="-1"></main>
<noscript>The figures are drawn by the script of this file.</noscript>
<script type="application/json" id="evaluation">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def render(
    evaluation: Evaluation, figures: Mapping[Mode, Figures], *, service: str | None = None
) -> str:
    """The whole page as HTML. Its policy lets only its own script run, and nothing be fetched.

    Args:
        evaluation: what was found.
        figures: of each mode.
        service: where `classify serve` shows the references, to link to them; None: no links.
    """
    style = "".join(path.read_text(encoding="utf-8") for path in STYLES)
    script = "".join(LINKS.sub("", path.read_text(encoding="utf-8")) for path in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    # A label that says </script> ends no script.
    data = json.dumps(
        {**_data(evaluation, figures), "service": service}, ensure_ascii=False, allow_nan=False
    )
    return PAGE.format(
        policy=policy,
        title=html.escape(f"{evaluation.subject.gallery}: how well it answers"),
        style=style,
        data=data.replace("<", "\\u003c"),
        script=script,
    )


def _data(evaluation: Evaluation, figures: Mapping[Mode, Figures]) -> dict[str, Any]:
    """What `--json` says, and the pictures."""
    data = to_dict(evaluation, figures)
    for mode, exhibits in evaluation.mistakes.items():
        for mistake, exhibit in zip(data["mistakes"][mode], exhibits, strict=True):
            mistake["picture"] = _small(exhibit.thumbnail) if exhibit.thumbnail else None
    return {
        "evaluation": data,
        "mode_names": dict(MODE_NAMES),
        "pictures": {id_: _small(jpeg) for id_, jpeg in evaluation.thumbnails.items()},
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _small(jpeg: bytes) -> str:
    """A thumbnail for a page that holds hundreds of them."""
    return _text(make_thumbnail(decode(jpeg, at_least=PICTURE_SIDE).image, PICTURE_SIDE))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _digest(text: str) -> str:
    return f"sha256-{_text(hashlib.sha256(text.encode()).digest())}"
