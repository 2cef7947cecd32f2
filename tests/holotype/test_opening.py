"""The front door: a gallery from Python."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import holotype
from classify.answering.options import GivenOptions, QueryOptions
from classify.service.command import bind, url_of
from holotype.errors import FingerprintMismatch, GalleryMissing, InvalidReference, UsageError
from holotype.fingerprint import Fingerprint
from holotype.outcomes import Outcome
from holotype.settings import GivenSettings, Settings
from holotype.store.factory import open_store
from tests.image_files import make_tree, picture
from tests.running import running

if TYPE_CHECKING:
    from holotype.opening import Gallery
    from tests.holotype.store.qdrant_http import QdrantHttp

D = 16
OF_THE_SERVICE = {
    "host",
    "port",
    "public_url",
    "api_keys",
    "max_body_mb",
    "max_connections",
    "client_timeout",
    "max_images",
    "queue_length",
    "batch_window_ms",
    "keep_queries",
    "originals",
}

Open = Callable[..., "Gallery"]


def cloud(seed: int, label: int, count: int) -> np.ndarray[Any, Any]:
    """(count, D) vectors around a centre that belongs to the label."""
    centre = np.zeros(D)
    centre[label] = 4.0
    return centre + np.random.default_rng(seed).normal(size=(count, D))


@pytest.fixture(params=["embedded", "server", "service"])
def open_genes(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a gallery of vectors, again and again, in each place where one can be."""
    settings: dict[str, Any] = {"dimension": D, "space": "my-encoder v3"}
    if request.param == "server":
        settings["qdrant_url"] = request.getfixturevalue("qdrant_http").url
    with ExitStack() as opened:
        if request.param == "service":
            opened.enter_context(_served_genes())
        yield lambda **more: opened.enter_context(holotype.open("genes", **settings | more))


@contextmanager
def _served_genes() -> Iterator[None]:
    """The gallery is owned by a service, which is found by its lock."""
    space = Fingerprint.of_space("my-encoder v3", D)
    listener = bind("127.0.0.1", 0)
    with (
        open_store(
            Settings.load(gallery="genes"),
            fingerprint=space,
            command="classify serve",
            create=True,
            url=url_of(listener),
        ) as store,
        running(store, listener=listener, gallery="genes"),
    ):
        yield


@pytest.fixture
def genes(open_genes: Open) -> Gallery:
    """A gallery with three classes of twenty vectors in groups of two."""
    gallery = open_genes()
    X = np.concatenate([cloud(label, label, 20) for label in range(3)])
    gallery.add_vectors(
        X, [f"c{i // 20}" for i in range(60)], groups=[f"g{i // 2}" for i in range(60)]
    )
    return gallery


@pytest.fixture
def pollen(lite0_checkpoint: Path) -> Iterator[Gallery]:
    """An empty gallery of pictures, with real weights."""
    with holotype.open(
        "pollen", backbone="tf_efficientnet_lite0", checkpoint=lite0_checkpoint, image_size=32
    ) as gallery:
        yield gallery


def test_vectors__the_whole_way(genes: Gallery) -> None:
    """Added vectors answer at once, by neighbours, and after a retrain by the head, too."""
    queries = np.concatenate([cloud(9, label, 5) for label in range(3)])
    expected = [f"c{i // 5}" for i in range(15)]
    answers = genes.classify_vectors(queries)
    assert answers.labels == expected
    assert answers.classes == ("c0", "c1", "c2")
    assert answers.scores.shape == (15, 3)
    assert [answers.classes[i] for i in answers.scores.argmax(axis=1)] == expected
    assert genes.retrain().version is not None
    by_both = genes.classify_vectors(queries, mode="auto")
    assert by_both.labels == expected
    assert all(answer is not None and answer.head for answer in by_both)
    np.testing.assert_allclose(by_both.scores.sum(axis=1), 1, atol=0.01)


def test_vectors__options_are_those_of_the_command(genes: Gallery) -> None:
    """k, where, mode and the others mean what they mean to `classify query`."""
    Q = cloud(9, 0, 2)
    few = genes.classify_vectors(Q, mode="knn", k=3, where="label!=c0")
    assert few.classes == ("c1", "c2")
    assert [len(voted) for voted in few.neighbours] == [3, 3]
    assert {one.label for voted in few.neighbours for one in voted} <= {"c1", "c2"}
    with pytest.raises(UsageError, match="'best' is none of knn, linear, auto"):
        genes.classify_vectors(Q, mode="best")
    with pytest.raises(UsageError, match="k = 0"):
        genes.classify_vectors(Q, k=0)


def test_vectors__export_comes_back_as_the_same_references(genes: Gallery, tmp_path: Path) -> None:
    """What is exported has every column, and added again it is all there already."""
    found = genes.export()
    assert len(found) == 60
    assert found.vectors.shape == (60, D)
    assert found.vectors.dtype == np.float32
    assert sorted(set(found.labels)) == ["c0", "c1", "c2"]
    assert len(set(found.groups)) == 30
    named = genes.add_vectors(found.vectors, found.labels, ids=found.ids)
    assert {one.outcome for one in named} == {Outcome.ALREADY_PRESENT}
    assert len(genes.export(where="label=c1")) == 20


def test_vectors__tables(genes: Gallery, tmp_path: Path) -> None:
    """Exports and answers are tables for pandas, and an export is a Parquet file."""
    import pandas as pd

    found = genes.export()
    frame = found.to_pandas()
    assert list(frame.columns) == ["id", "vector", "label", "group"]
    assert frame["label"].value_counts().to_dict() == {"c0": 20, "c1": 20, "c2": 20}
    found.to_parquet(tmp_path / "genes.parquet")
    read = pd.read_parquet(tmp_path / "genes.parquet")
    assert read["id"].tolist() == found.ids
    assert np.array_equal(np.stack(read["vector"].to_list()), found.vectors)
    answered = genes.classify_vectors(cloud(9, 1, 3)).to_pandas()
    assert answered["label"].tolist() == ["c1"] * 3
    assert answered["query"].tolist() == ["row 0", "row 1", "row 2"]


def test_tables__without_pandas(genes: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pandas is missing, one line says what to install."""
    found = genes.export()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'holotype\[pandas\]'"):
        found.to_pandas()


def test_vectors__labels_are_kept_like_those_of_files(genes: Gallery) -> None:
    """Classes are counted, relabelled and removed, by ids or by a filter."""
    assert genes.classes() == {"c0": 20, "c1": 20, "c2": 20}
    assert genes.relabel("c 9", where="label=c2") == 20
    assert genes.relabel("c0", ids=genes.export(where="label=c1").ids[:5]) == 5
    assert genes.remove(where=["label=c 9"]) == 20
    assert genes.classes() == {"c0": 25, "c1": 15}
    for arguments in ({}, {"ids": ["x"], "where": "label=c0"}):
        with pytest.raises(UsageError, match="by ids= or by where="):
            genes.remove(**arguments)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (np.ones(D + 1), rf"row 1 has {D + 1} numbers, the gallery's vectors have {D}"),
        (np.full(D, np.nan), "row 1 holds NaN"),
        (np.zeros(D), "row 1 is all zeros"),
    ],
)
def test_vectors__a_bad_row_is_named_and_nothing_is_done(
    genes: Gallery, row: np.ndarray[Any, Any], said: str
) -> None:
    """Both doors refuse what is no vector of the gallery by its row."""
    rows = [cloud(8, 0, 1)[0], row]
    with pytest.raises(InvalidReference, match=said):
        genes.add_vectors(rows, ["c0", "c0"])
    with pytest.raises(InvalidReference, match=said):
        genes.classify_vectors(rows)
    assert sum(genes.classes().values()) == 60


def test_vectors__none_at_all(genes: Gallery) -> None:
    """No rows are no answers and no outcomes."""
    assert genes.add_vectors(np.empty((0, D)), []) == []
    assert genes.classify_vectors(np.empty((0, D))).scores.shape == (0, 3)


def test_vectors__two_threads(open_genes: Open) -> None:
    """Threads that add and ask through one gallery lose nothing and add nothing twice."""
    gallery = open_genes()
    X = np.concatenate([cloud(label, label, 100) for label in range(2)])
    labels = [f"c{i // 100}" for i in range(200)]
    gallery.add_vectors(X[:1], labels[:1])
    start = threading.Barrier(4)

    def add() -> list[Outcome]:
        start.wait()
        return [one.outcome for one in gallery.add_vectors(X, labels)]

    def ask() -> list[str | None]:
        start.wait()
        return gallery.classify_vectors(X[:20]).labels

    with ThreadPoolExecutor(4) as pool:
        adding = [pool.submit(add) for _ in range(2)]
        asking = [pool.submit(ask) for _ in range(2)]
        outcomes = [outcome for run in adding for outcome in run.result()]
        assert all(len(run.result()) == 20 for run in asking)
    assert outcomes.count(Outcome.ADDED) == 199
    assert outcomes.count(Outcome.ALREADY_PRESENT) == 201
    assert gallery.classes() == {"c0": 100, "c1": 100}


def test_open__again_needs_no_space(open_genes: Open) -> None:
    """A gallery knows its space: what is not given comes from it, what contradicts is refused."""
    with open_genes() as gallery:
        gallery.add_vectors(cloud(0, 0, 2), ["a", "b"])
    with open_genes(space=None, dimension=None) as again:
        assert again.fingerprint.space == "my-encoder v3"
        again.add_vectors(cloud(1, 0, 2), ["a", "b"])
        assert sum(again.classes().values()) == 4
    for other in ({"space": "another"}, {"dimension": D + 1}, {"space": None, "dimension": 3}):
        with pytest.raises(FingerprintMismatch, match="holds vectors of space 'my-encoder v3'"):
            open_genes(**other)


@pytest.mark.parametrize("open_genes", ["embedded", "server"], indirect=True)
def test_open__dimension_of_the_first_vectors(open_genes: Open) -> None:
    """Whoever names a space need not count: the first vectors say how long they are."""
    gallery = open_genes(dimension=None)
    assert [one.outcome for one in gallery.add_vectors([[1, 0, 0]], ["a"])] == [Outcome.ADDED]
    assert gallery.fingerprint.dimension == 3


def test_open__vectors_of_no_known_space(tmp_path: Path) -> None:
    """Vectors for a gallery that does not exist are asked for their space."""
    with holotype.open("new") as gallery:
        with pytest.raises(GalleryMissing, match="name the space of its vectors"):
            gallery.add_vectors([[1, 0]], ["a"])
        with pytest.raises(GalleryMissing):
            gallery.classes()


def test_open__misspelt_settings() -> None:
    """A keyword that is no setting is an error, as of any function; a bad value is named."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'hoem'"):
        holotype.open("x", hoem="/tmp")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="setting image_size"):
        holotype.open("x", image_size=1)


def test_open__takes_every_setting_and_option() -> None:
    """What can be set or asked by other doors can be given here, by the same names."""
    assert GivenSettings.__annotations__.keys() == (
        Settings.model_fields.keys() - OF_THE_SERVICE - {"gallery"}
    )
    assert GivenOptions.__annotations__.keys() == QueryOptions.__annotations__.keys()


def test_pictures__the_whole_way(pollen: Gallery, tmp_path: Path) -> None:
    """Folders are added and accounted for; paths, bytes, images and arrays are classified."""
    root = make_tree(tmp_path / "train", {"bee": [1, 2, 3], "wasp": [50, 51, 52]})
    (root / "bee" / "notes.txt").write_text("x")
    (root / "bee" / "torn.png").write_bytes(picture(1)[:50])
    added = pollen.add(root, meta={"site": "A"})
    assert sorted(one.outcome for one in added) == [Outcome.ADDED] * 6 + [Outcome.BROKEN]
    assert [Path(one.source).name for one in added.failures] == ["torn.png"]
    assert added.left_out is not None
    assert added.left_out.kinds == {".txt": 1}
    data = picture(51)
    image = Image.open(BytesIO(data))
    answers = pollen.classify([root / "wasp" / "00051.png", data, image, np.array(image), b"no"])
    assert answers.labels == ["wasp"] * 4 + [None]
    assert list(answers.problems) == [4]
    assert pollen.classify(np.array(image)).labels == pollen.classify(data).labels == ["wasp"]
    assert np.isnan(answers.scores[4]).all()
    first = answers[0]
    assert first is not None
    assert first.known_as == "wasp"
    for other in list(answers)[1:4]:
        assert other is not None
        assert other.neighbours[0].similarity == pytest.approx(1, abs=1e-5)
    again = pollen.add(root)
    assert [one.outcome for one in again].count(Outcome.ALREADY_PRESENT) == 6
    with pytest.raises(InvalidReference, match=r"row 0 \('x'\) has 3 numbers"):
        pollen.add_vectors(np.ones((1, 3)), ["a"], ids=["x"])


def test_pictures__on_a_qdrant_server(
    qdrant_http: QdrantHttp, lite0_checkpoint: Path, tmp_path: Path
) -> None:
    """Pictures go to a server by a setting alone; whoever opens the gallery there finds them."""
    root = make_tree(tmp_path / "train", {"bee": [1, 2, 3], "wasp": [50, 51, 52]})
    settings: GivenSettings = {
        "qdrant_url": qdrant_http.url,
        "backbone": "tf_efficientnet_lite0",
        "checkpoint": lite0_checkpoint,
        "image_size": 32,
    }
    with holotype.open("pollen", **settings) as one, holotype.open("pollen", **settings) as other:
        assert {outcome.outcome for outcome in one.add(root)} == {Outcome.ADDED}
        assert other.classify([root / "wasp" / "00051.png"]).labels == ["wasp"]
        other.remove(where="label=bee")
        assert one.classes() == {"wasp": 3}


def test_pictures__manifest_and_single_files(pollen: Gallery, tmp_path: Path) -> None:
    """A manifest is told by its suffix; single files take a label; labels conflict as elsewhere."""
    (tmp_path / "a.png").write_bytes(picture(1))
    (tmp_path / "all.csv").write_text("path,label,group\na.png,bee,g1\n")
    assert [one.outcome for one in pollen.add(tmp_path / "all.csv")] == [Outcome.ADDED]
    assert pollen.export().groups == ["g1"]
    conflict = pollen.add(str(tmp_path / "a.png"), label="wasp")
    assert [one.outcome for one in conflict] == [Outcome.LABEL_CONFLICT]
    pollen.add(tmp_path / "a.png", label="wasp", on_conflict="replace")
    assert pollen.classes() == {"wasp": 1}
    with pytest.raises(UsageError, match="a manifest names paths and labels itself"):
        pollen.add(tmp_path / "all.csv", label="bee")


def test_pictures__their_own_vectors_come_and_go(pollen: Gallery, tmp_path: Path) -> None:
    """Vectors of the gallery's own encoder may be added to it and asked about."""
    pollen.add(make_tree(tmp_path / "t", {"bee": [1, 2], "wasp": [50, 51]}))
    found = pollen.export()
    assert pollen.classify_vectors(found.vectors).labels == found.labels
    added = pollen.add_vectors(-found.vectors[:1], ["other"])
    assert [one.outcome for one in added] == [Outcome.ADDED]


def test_galleries__pictures_and_vectors_refuse_each_other(pollen: Gallery, tmp_path: Path) -> None:
    """Neither is opened as the other, and a picture for vectors is told what to call."""
    root = make_tree(tmp_path / "t", {"bee": [1]})
    pollen.add(root)
    pollen.close()
    with pytest.raises(FingerprintMismatch, match="holds pictures embedded by"):
        holotype.open("pollen", space="x", dimension=pollen.fingerprint.dimension)
    with holotype.open("genes", space="x", dimension=2) as genes:
        genes.add_vectors([[1, 0]], ["a"])
        for ask in (lambda: genes.add(root), lambda: genes.classify([root / "bee" / "00001.png"])):
            with pytest.raises(UsageError, match=r"vectors of space 'x'.*classify_vectors"):
                ask()


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_pictures__arrays_that_are_none(
    pollen: Gallery, tmp_path: Path, array: np.ndarray[Any, Any]
) -> None:
    """An array that is no picture is one problem, and says what would be one."""
    pollen.add(make_tree(tmp_path / "t", {"bee": [1]}))
    answers = pollen.classify([array, picture(1)])
    assert answers.labels == [None, "bee"]
    assert "give uint8 (H, W)" in answers.problems[0]


def test_import__is_light() -> None:
    """Importing holotype loads nothing heavy, and the front door is there all the same."""
    code = (
        "import sys, holotype\n"
        "heavy = {'torch', 'timm', 'qdrant_edge', 'qdrant_client', 'sklearn', 'scipy', 'numpy'}\n"
        "assert 'open' in dir(holotype)\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "assert not any(m.startswith('holotype.') for m in sys.modules)\n"
        "holotype.open\n"
        "assert not {'torch', 'timm', 'sklearn'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_front_door__is_the_only_one_that_imports_the_processes() -> None:
    """No other module of the library names `ingest`, `classify` or `head` in an import."""
    root = Path(holotype.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if {name.partition(".")[0] for name in names} & {"ingest", "classify", "head"}:
                found.add(path.relative_to(root).as_posix())
    assert found == {"opening.py"}


def test_holotype__has_no_other_attributes() -> None:
    """What is not there is missing in Python's own words."""
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        holotype.opne  # type: ignore[attr-defined]  # noqa: B018
