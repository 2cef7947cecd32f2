"""`/v1/references/{id}/original`: the file itself, where the service may read it, and no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from classify.service.originals import Originals
from holotype.errors import NotFound
from holotype.references import Reference
from tests.classify.conftest import picture
from tests.classify.service.conftest import Serve
from tests.classify.service.test_references import id_of

DATA = picture("red", 300)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that may be read, beside one that may not; both hold the picture."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(DATA)
    return tmp_path / "open"


def reference(source: str, data: bytes = DATA) -> Reference:
    """What is known of the picture."""
    import hashlib

    sha256 = hashlib.sha256(data).hexdigest()
    return Reference(
        id=id_of(data), label="red", sha256=sha256, source=source, width=48, height=40,
        added_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_original__the_very_bytes_over_http(serve: Serve, folder: Path) -> None:
    """Whole paths and paths in the folder are found; the gallery says that there may be some."""
    service = serve(originals=f"{folder}{os.pathsep}/nowhere")
    for source in (str(folder / "a.png"), "a.png"):
        items = f'[{{"source": "{source}"}}]'
        form = {"label": "red", "items": items, "on_conflict": "keep"}
        service.http.post("/v1/references", data=form, files={"images": ("x.png", DATA)})
        answer = service.http.get(f"/v1/references/{id_of(DATA)}/original")
        assert answer.content == DATA
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        service.http.delete(f"/v1/references/{id_of(DATA)}")
    assert service.http.get("/v1/gallery").json()["originals"] is True


def test_original__off_unless_folders_are_named(serve: Serve, folder: Path) -> None:
    """Nothing is read that nobody allowed."""
    service = serve()
    form = {"label": "red", "items": f'[{{"source": "{folder / "a.png"}"}}]'}
    service.http.post("/v1/references", data=form, files={"images": ("x.png", DATA)})
    answer = service.http.get(f"/v1/references/{id_of(DATA)}/original")
    assert answer.status_code == 404
    assert "HOLOTYPE_ORIGINALS" in answer.json()["detail"]
    assert service.http.get("/v1/gallery").json()["originals"] is False


@pytest.mark.parametrize(
    "source",
    [
        "../closed/a.png",
        "{closed}/a.png",
        "{open}/../closed/a.png",
        "link.png",
        "linked/a.png",
        "changed.png",
        "missing.png",
        ".",
        "a.png\0",
        "x" * 5000,
        "loop",
    ],
)
def test_original__nothing_from_elsewhere_and_nothing_that_changed(
    folder: Path, source: str
) -> None:
    """Dots, whole paths, links that lead out, other bytes, folders, names that cannot be."""
    closed = folder.parent / "closed"
    (folder / "link.png").symlink_to(closed / "a.png")
    (folder / "linked").symlink_to(closed)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "changed.png").write_bytes(picture("red", 301))
    named = source.format(closed=closed, open=folder) if "{" in source else source
    originals = Originals.parse(str(folder))
    with pytest.raises(NotFound, match="cannot be shown"):
        originals.read(reference(named))
    assert originals.read(reference("a.png")).data == DATA


def test_original__a_link_that_stays_inside_is_followed(folder: Path) -> None:
    """A folder of links is a common way to sort pictures."""
    (folder / "inside.png").symlink_to(folder / "a.png")
    assert Originals.parse(str(folder)).read(reference("inside.png")).data == DATA
