"""Pictures without a label, and that each is embedded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.unlabelled import read_folders, read_queue, read_vectors
from holotype.access import Access
from holotype.errors import FingerprintMismatch, UsageError
from holotype.fingerprint import Fingerprint
from holotype.outcomes import Outcome
from holotype.references import reference_id
from holotype.review_queue import ReviewQueue
from holotype.settings import Settings
from holotype.store.factory import open_store
from tests.classify.conftest import ColourGallery, fill_with_colours, picture
from tests.fakes import ColourEncoder
from tests.running import running

Open = Callable[..., Access]


@pytest.fixture
def gallery(tmp_path: Path) -> ColourGallery:
    """Six references each of three colours, of this test alone."""
    return fill_with_colours(ColourGallery(tmp_path / "home"))


@pytest.fixture
def encoder() -> ColourEncoder:
    """Counts what it encodes."""
    return ColourEncoder()


@pytest.fixture
def access(gallery: ColourGallery, encoder: ColourEncoder) -> Iterator[Access]:
    """The gallery, opened here."""
    settings = Settings.load(home=gallery.home)
    with Access(settings, command="a test", load=lambda _: encoder) as opened:
        yield opened


def drawer(folder: Path, **files: bytes) -> Path:
    """A folder of files."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / f"{name}.png").write_bytes(data)
    return folder


def test_read_folders__each_picture_once(
    access: Access, gallery: ColourGallery, tmp_path: Path
) -> None:
    """References and repeated files are left out, a broken one has its reason, ids are in order."""
    folder = drawer(
        tmp_path / "new",
        a=picture("red", 50),
        b=picture("blue", 51),
        again=picture("red", 50),
        known=picture("green", 0),
        broken=b"\x89PNG\r\n\x1a\nno",
    )
    (folder / "notes.txt").write_text("none")
    found = read_folders(access, [folder])
    assert sorted(Path(one.name).name for one in found.pictures) == ["a.png", "b.png"]
    assert [one.id for one in found.pictures] == sorted(one.id for one in found.pictures)
    for one, vector in zip(found.pictures, found.vectors, strict=True):
        assert one.file is not None
        np.testing.assert_array_equal(vector, gallery.embed(one.file.read_bytes()))
    assert (found.in_gallery, found.repeated, found.embedded) == (1, 1, 2)
    assert [(Path(r.source).name, r.outcome) for r in found.refused] == [
        ("broken.png", Outcome.BROKEN)
    ]
    assert "1 .txt" in str(found.left_out)


def test_read_folders__a_second_look_embeds_nothing(
    access: Access, encoder: ColourEncoder, tmp_path: Path
) -> None:
    """Nor does it when the pictures have moved; a damaged cache is only ever a slower run."""
    pictures = {f"p{seed}": picture("red", seed) for seed in range(50, 55)}
    first = read_folders(access, [drawer(tmp_path / "new", **pictures)])
    again = read_folders(access, [drawer(tmp_path / "moved", **pictures)])
    assert (first.embedded, again.embedded, encoder.images_encoded) == (5, 0, 5)
    np.testing.assert_array_equal(first.vectors, again.vectors)
    (access.settings.home / "default" / "unlabelled.sqlite").write_bytes(b"no database" * 1000)
    anew = read_folders(access, [tmp_path / "new"])
    assert (anew.embedded, encoder.images_encoded) == (5, 10)
    assert read_folders(access, [tmp_path / "new"]).embedded == 0


def test_read_folders__through_a_service(
    gallery: ColourGallery, encoder: ColourEncoder, tmp_path: Path
) -> None:
    """The encoder is loaded here; what the service's gallery holds is left out."""
    folder = drawer(tmp_path / "new", a=picture("red", 50), known=picture("green", 0))
    with gallery.open() as store, running(store, home=gallery.home) as service:
        settings = Settings.load(home=tmp_path / "elsewhere", server=service.url)
        with Access(settings, command="a test", load=lambda _: encoder) as access:
            found = read_folders(access, [folder])
            assert (len(found), found.in_gallery, found.embedded) == (1, 1, 1)
            assert read_folders(access, [folder]).embedded == 0


def test_read_queue__here_and_through_a_service(
    gallery: ColourGallery, encoder: ColourEncoder
) -> None:
    """The queries that are kept, by their own ids; what has left is not among them."""
    queue = ReviewQueue(gallery.home / "default" / "review", limit=10)
    for seed in (50, 51, 52):
        queue.keep(picture("red", seed), query=f"q{seed}.png", reason="unknown", answers={})
    kept = [one.id for one in queue.page(limit=10).items]
    queue.forget(kept[-1:])
    settings = Settings.load(home=gallery.home)
    with Access(settings, command="a test", load=lambda _: encoder) as access:
        found = read_queue(access)
    assert {one.queued: one.name for one in found.pictures} == {
        kept[0]: "q52.png",
        kept[1]: "q51.png",
    }
    assert {one.id for one in found.pictures} == {reference_id(id_) for id_ in kept[:2]}
    with (
        gallery.open() as store,
        running(store, home=gallery.home, keep_queries=10) as service,
        Access(Settings.load(server=service.url), command="a", load=lambda _: encoder) as access,
    ):
        through = read_queue(access)
    assert through.pictures == found.pictures
    assert (through.vectors * found.vectors).sum(axis=1) == pytest.approx([1, 1], abs=0.01)


def test_read_vectors__rows_of_a_file(tmp_path: Path) -> None:
    """Named ones and unnamed ones; a row that cannot be used is refused by its number."""
    space = Fingerprint.of_space("other", 3)
    settings = Settings.load(home=tmp_path / "home")
    open_store(settings, fingerprint=space, command="a test", create=True).close()
    rows = [[1.0, 0, 0], [0, 0, 0], [0, 2.0, 0], [1.0, 0, 0]]
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"vector": rows, "path": ["a", "b", None, "a"]}), file)
    with Access(settings, command="a test") as access:
        found = read_vectors(access, file)
        assert {one.name for one in found.pictures} == {"a", f"{file} row 3"}
        assert found.repeated == 1
        assert [(one.source, one.outcome) for one in found.refused] == [("b", Outcome.FAILED)]
        np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1)
        with pytest.raises(UsageError, match="holds vectors of space 'other'"):
            read_folders(access, [tmp_path])
        pq.write_table(pa.table({"label": ["a"]}), file)
        with pytest.raises(UsageError, match="lacks the column 'vector'"):
            read_vectors(access, file)


def test_read_folders__another_encoder_than_the_gallerys(
    gallery: ColourGallery, tmp_path: Path
) -> None:
    """Its vectors would mean nothing here: it is refused, and nothing is kept of them."""
    other = ColourEncoder(weights="0ther")
    folder = drawer(tmp_path / "new", a=picture("red", 50))
    settings = Settings.load(home=gallery.home)
    with (
        Access(settings, command="a test", load=lambda _: other) as access,
        pytest.raises(FingerprintMismatch),
    ):
        read_folders(access, [folder])
