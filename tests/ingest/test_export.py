"""`ingest export` and back: what a gallery is, as files that come in again as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classify.service.command import bind, url_of
from holotype.errors import StoreMoved
from holotype.exports import OWN, whole_references, write_export
from holotype.fingerprint import Fingerprint
from holotype.images.picture import read_picture
from holotype.references import EmbeddedReference, Reference, reference_id
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from tests.fakes import ColourEncoder
from tests.image_files import make_tree
from tests.ingest.conftest import Done, Ingest
from tests.running import running

if TYPE_CHECKING:
    from tests.holotype.store.qdrant_http import QdrantHttp

Filled = Callable[[Fingerprint], list[EmbeddedReference]]


def some_references(fingerprint: Fingerprint) -> list[EmbeddedReference]:
    """600 references, so that there are several batches; every third without a thumbnail."""
    random = np.random.default_rng(3)
    vectors = random.normal(size=(600, fingerprint.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = []
    for i, vector in enumerate(vectors):
        sha256 = f"{i:064x}"
        reference = Reference(
            id=reference_id(sha256),
            label=["bee", "wasp", '=HYPERLINK("x")'][i % 3],
            sha256=sha256,
            source=f"/drawers/{i % 7}/é {i}.png",
            width=100 + i,
            height=50,
            added_at=f"2026-01-01T00:{i % 60:02}:00+00:00",
            group=None if i % 4 else f"specimen {i // 4}",
            meta={} if i % 5 == 0 else {"site": "AB"[i % 2], "note": 'a, "b"; ü'},
        )
        thumbnail = None if i % 3 == 0 else b"\xff\xd8\xff" + bytes([i % 256]) * (i % 50)
        made.append(EmbeddedReference(reference, vector, thumbnail))
    return made


def everything(store: VectorStore) -> list[tuple[Any, bytes, bytes | None]]:
    """All that a gallery is, but for when the store last changed a reference."""
    return [
        (replace(item.reference, changed_at=0), item.vector.tobytes(), item.thumbnail)
        for items in whole_references(store)
        for item in items
    ]


@pytest.fixture(params=["embedded", "service", "server"])
def at(
    request: pytest.FixtureRequest, fingerprint: Fingerprint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Opens the gallery to look at it; the commands reach it in each of three ways."""
    if request.param == "server":
        qdrant: QdrantHttp = request.getfixturevalue("qdrant_http")
        monkeypatch.setenv("HOLOTYPE_QDRANT_URL", qdrant.url)

    def opened(*, url: str | None = None) -> VectorStore:
        return open_store(
            Settings.load(), fingerprint=fingerprint, command="a test", create=True, url=url
        )

    @contextmanager
    def look() -> Iterator[VectorStore]:
        with opened() as store:
            yield store

    with ExitStack() as during:
        if request.param != "service":
            yield look
            return
        listener = bind("127.0.0.1", 0)
        store = during.enter_context(opened(url=url_of(listener)))
        during.enter_context(running(store, listener=listener))

        @contextmanager
        def served() -> Iterator[VectorStore]:
            yield store

        yield served


def test_export__and_back_is_the_identity(
    at: Callable[[], Any], ingest: Ingest, fingerprint: Fingerprint, tmp_path: Path
) -> None:
    """Ids, labels, groups, metadata, sources, sizes, times, vectors, thumbnails: as they were."""
    with at() as store:
        store.add(some_references(fingerprint))
        before = everything(store)
    assert len(before) == 600
    folder = tmp_path / "taken"
    done = ingest("export", folder, "--json")
    assert (done.returncode, json.loads(done.stdout)["references"]) == (0, 600), done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["references.parquet", "thumbnails"]
    assert sum(1 for _ in (folder / "thumbnails").iterdir()) == 400
    with at() as store:
        assert store.remove(ids=[reference.id for reference, _, _ in before]) == 600
    done = ingest("add", "--vectors", folder / "references.parquet")
    assert done.returncode == 0, done.stderr
    assert "600 references were added" in done.stderr
    with at() as store:
        after = everything(store)
        assert [one[0] for one in after] == [one[0] for one in before]
        assert [one[2] for one in after] == [one[2] for one in before]
        vectors = [np.frombuffer(b"".join(v for _, v, _ in them), "f4") for them in (before, after)]
        if store.shared:  # a server makes the length 1 again, which may move the last bit
            np.testing.assert_allclose(vectors[1], vectors[0], rtol=0, atol=1.2e-7)
        else:
            assert np.array_equal(*vectors)
    again = ingest("add", "--vectors", folder / "references.parquet")
    assert "600  already present" in again.stderr


def test_export__any_program_reads_it(
    ingest: Ingest, store: VectorStore, fingerprint: Fingerprint, tmp_path: Path
) -> None:
    """The columns and their types; the space in the schema; a part by a filter."""
    store.add(some_references(fingerprint))
    store.close()
    assert ingest("export", tmp_path / "all", "--where", "site=A").returncode == 0
    table = pq.read_table(tmp_path / "all" / "references.parquet")
    assert set(table.column_names) == {*OWN, "dismissed"}
    assert str(table.schema.field("vector").type).startswith("fixed_size_list<")
    assert json.loads(table.schema.metadata[b"fingerprint"]) == fingerprint.to_dict()
    assert table.schema.metadata[b"gallery"] == b"default"
    assert {dict(meta)["site"] for meta in table["meta"].to_pylist()} == {"A"}


def test_export__makes_a_new_gallery_without_an_encoder(
    ingest: Ingest, store: VectorStore, fingerprint: Fingerprint, tmp_path: Path
) -> None:
    """The file says which space the gallery is to have; no weights are loaded or remembered."""
    store.add(some_references(fingerprint)[:5])
    store.close()
    ingest("export", tmp_path / "taken")
    file = tmp_path / "taken" / "references.parquet"
    done = ingest("add", "--vectors", file, "--gallery", "second", "--backbone", "resnet18")
    assert done.returncode == 0, done.stderr
    settings = Settings.load(gallery="second")
    assert not (settings.home / "second" / "encoder.json").exists()
    with open_store(settings, fingerprint=None, command="a test") as second:
        assert second.fingerprint == fingerprint
        assert second.count() == 5


def test_export__is_refused_by_another_space(
    ingest: Ingest,
    store: VectorStore,
    fingerprint: Fingerprint,
    tmp_path: Path,
    open_store: Callable[..., VectorStore],
) -> None:
    """Vectors of other weights, or under a name of somebody's choice, do not come in."""
    store.add(some_references(fingerprint)[:5])
    store.close()
    ingest("export", tmp_path / "taken")
    file = tmp_path / "taken" / "references.parquet"
    other = ColourEncoder(weights="0ther0").fingerprint
    open_store(gallery="other", fingerprint=other).close()
    done = ingest("add", "--vectors", file, "--gallery", "other")
    assert done.returncode == 1
    assert "weights_sha256" in done.stderr
    named = ingest("add", "--vectors", file, "--gallery", "third", "--space", "mine")
    assert named.returncode == 2
    assert "leave out --space" in named.stderr
    assert ingest("classes", "--gallery", "third").returncode == 1


def test_export__a_gallery_of_vectors(ingest: Ingest, tmp_path: Path) -> None:
    """Named references of another encoder keep their ids, hashes and times."""
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.savez(tmp_path / "v.npz", vector=X, label=list("aabb"), id=["g1", "g2", "g3", "g4"])
    ingest("add", "--vectors", tmp_path / "v.npz", "--space", "genes")
    ingest("export", tmp_path / "taken")

    def listed() -> list[dict[str, Any]]:
        found = map(json.loads, ingest("list", "--json").stdout.splitlines())
        return [{**one, "changed_at": 0} for one in found]

    before = listed()
    ingest("remove", "--label", "a", "--yes")
    ingest("remove", "--label", "b", "--yes")
    done = ingest("add", "--vectors", tmp_path / "taken" / "references.parquet")
    assert done.returncode == 0, done.stderr
    assert listed() == before


def test_export__as_a_manifest_embeds_the_pictures_anew(
    ingest: Ingest, store: VectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For another encoder: the same pictures from where they are, with label, group and meta."""
    tree = make_tree(tmp_path / "pictures", {"bee": [1, 2], "wasp": [3]})
    encoder = ColourEncoder()
    for i, file in enumerate(sorted(tree.rglob("*.png"))):
        data = file.read_bytes()
        (item,) = some_references(encoder.fingerprint)[i : i + 1]
        sha256 = hashlib.sha256(data).hexdigest()
        picture = read_picture(data, encoder.recipe)
        reference = replace(
            item.reference,
            id=reference_id(sha256),
            sha256=sha256,
            source=str(file),
            width=picture.width,
            height=picture.height,
            label=file.parent.name,
        )
        store.add([replace(item, reference=reference)])
    before = everything(store)
    store.close()
    ingest("export", tmp_path / "taken")
    other = ColourEncoder(weights="0ther0")
    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", lambda _settings: other)
    file = tmp_path / "taken" / "references.parquet"
    done: Done = ingest("add", "--manifest", file, "--gallery", "anew")
    assert done.returncode == 0, done.stderr
    settings = Settings.load(gallery="anew")
    with open_store(settings, fingerprint=None, command="a test") as anew:
        assert anew.fingerprint == other.fingerprint
        after = everything(anew)
    said = [(r.id, r.label, r.group, r.meta, r.source) for r, _, _ in after]
    assert said == [(r.id, r.label, r.group, r.meta, r.source) for r, _, _ in before]


def test_export__rows_that_were_tampered_with(
    ingest: Ingest, store: VectorStore, fingerprint: Fingerprint, tmp_path: Path
) -> None:
    """A hash that is not the id's, a size of nothing, a thumbnail that is none: refused by row."""
    store.add(some_references(fingerprint)[:5])
    store.close()
    ingest("export", tmp_path / "taken")
    file = tmp_path / "taken" / "references.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[0]["sha256"] = "f" * 64
    rows[1]["width"] = -1
    rows[2]["added_at"] = "yesterday"
    thumbnail = tmp_path / "taken" / "thumbnails" / f"{rows[3]['id']}.jpg"
    thumbnail.write_bytes(b"<svg onload=...>")
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(file)), file)
    done = ingest("add", "--vectors", file, "--gallery", "second")
    assert done.returncode == 3, done.stderr
    for said in ("its id is not the one", "is not in pixels", "no time in ISO", "is no JPEG"):
        assert said in done.stderr
    assert "1 references were added" in done.stderr


def test_write_export__never_overwrites_and_leaves_nothing_half(
    store: VectorStore, fingerprint: Fingerprint, tmp_path: Path
) -> None:
    """A folder with something in it is refused; an error leaves no folder; a change begins anew."""
    store.add(some_references(fingerprint)[:5])
    times = 0

    def begin(moment: bool) -> Iterator[list[EmbeddedReference]]:
        nonlocal times
        times += 1
        yield from whole_references(store, moment=moment)
        if moment:
            raise StoreMoved("references came")

    folder = tmp_path / "taken"
    options: dict[str, Any] = {
        "gallery": "g",
        "fingerprint": fingerprint,
        "advance": lambda _: None,
    }
    assert write_export(begin, folder, **options) == 5
    assert times == 3
    with pytest.raises(Exception, match="is there already"):
        write_export(begin, folder, **options)

    def failing(_moment: bool) -> Iterator[list[EmbeddedReference]]:
        yield from whole_references(store)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_export(failing, tmp_path / "half", **options)
    assert [path.name for path in tmp_path.glob("half*")] == []
