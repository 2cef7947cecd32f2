"""The retrain job on a real embedded gallery."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from head import job
from head.job import retrain
from head.options import RetrainOptions, RetrainStatus
from head.versions import registry
from holotype.errors import HeadBusy, TooFewReferences
from holotype.references import Where
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.references import Pictures, picture_id


@pytest.fixture
def gallery(store: VectorStore, clouds: Clouds, pictures: Pictures) -> VectorStore:
    """Three classes of twelve."""
    store.add(clouds.references(SIZES, pictures))
    return store


def test_retrain__new_head_answers_for_unseen_vectors(gallery: VectorStore, clouds: Clouds) -> None:
    """The active head names new vectors of each class, and its rows are probabilities."""
    result = retrain(gallery)
    head = registry.active(gallery)
    assert result.status is RetrainStatus.ACTIVATED
    assert head is not None
    assert head.version == result.version
    assert head.labels == ("ant", "bee", "wasp")
    for code, label in enumerate(head.labels):
        probabilities = head.probabilities(clouds.of(label, 10, first=500))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)
        assert (probabilities.argmax(axis=1) == code).mean() >= 0.9


def test_retrain__report_says_how_the_head_came_about(gallery: VectorStore) -> None:
    """Labels with counts, cross-validated figures, fingerprint, gallery, time, candidates."""
    report = retrain(gallery).report
    assert report["gallery"]["name"] == "default"
    assert report["gallery"]["references"] == 36
    assert report["gallery"]["counts"] == SIZES
    assert report["gallery"]["last_change"] == gallery.state().last_change
    assert report["fingerprint"] == gallery.fingerprint.to_dict()
    assert report["duration_s"] > 0
    scores = report["cross_validation"]
    assert scores["references_scored"] == 36
    assert 0.9 < scores["accuracy"] <= 1
    assert 0.9 < scores["macro_f1"] <= 1
    assert [c["label"] for c in report["classes"]] == ["ant", "bee", "wasp"]
    assert all(c["recall"] > 0.8 for c in report["classes"])
    kinds = {candidate["kind"] for candidate in report["candidates"]}
    assert kinds == {"lda", "logistic", "whitened logistic", "average"}
    assert report["winner"] in {candidate["name"] for candidate in report["candidates"]}


def test_retrain__report_says_what_classes_are_taken_for(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """One kind under two names: each is taken for the other; who is told apart is for none."""
    ravens = [
        pictures.embedded(f"r-{n}", "raven" if n % 2 else "crow", vector=vector)
        for n, vector in enumerate(clouds.of("raven", 24))
    ]
    store.add([*ravens, *clouds.references({"swan": 12}, pictures)])
    crow, raven, swan = retrain(store).report["classes"]
    assert (crow["confused_with"], raven["confused_with"]) == ("raven", "crow")
    assert crow["recall"] + crow["confused"] == pytest.approx(1)
    assert (swan["confused_with"], swan["confused"]) == (None, 0.0)


def test_retrain__same_gallery_same_head(gallery: VectorStore) -> None:
    """Two runs with one seed give the same numbers."""
    first, second = (registry.load(gallery, retrain(gallery).version or "") for _ in range(2))
    assert (first.weights == second.weights).all()
    assert first.temperature == second.temperature


def test_retrain__labels_may_be_of_any_script(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Labels with accents, other scripts and emoji come back as they were."""
    labels = {"Ameise 🐜": 5, "пчела": 5, "ハチ": 5, "a\tb": 5}
    store.add(clouds.references(labels, pictures))
    retrain(store)
    head = registry.active(store)
    assert head is not None
    assert set(head.labels) == set(labels)


@pytest.mark.parametrize("sizes", [{"ant": 12, "bee": 1, "wasp": 2}, {"ant": 2, "bee": 2}])
def test_retrain__classes_of_one_or_two_are_trained(
    store: VectorStore, clouds: Clouds, pictures: Pictures, sizes: dict[str, int]
) -> None:
    """A class of one is answered but never scored; a class of two is scored."""
    store.add(clouds.references(sizes, pictures))
    report = retrain(store).report
    recall = {c["label"]: c["recall"] for c in report["classes"]}
    assert {label for label, value in recall.items() if value is None} == {
        label for label, count in sizes.items() if count == 1
    }
    head = registry.active(store)
    assert head is not None
    for code, label in enumerate(head.labels):
        assert head.probabilities(clouds.of(label, 1)).argmax() == code


def test_retrain__nothing_to_score_still_gives_a_head(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Classes of one reference each: a head without cross-validated figures."""
    store.add(clouds.references({"ant": 1, "bee": 1, "wasp": 1}, pictures))
    report = retrain(store).report
    assert report["cross_validation"] is None
    assert report["candidates"] == []
    head = registry.active(store)
    assert head is not None
    assert head.probabilities(clouds.of("bee", 1)).argmax() == 1


def test_retrain__one_class_is_refused(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """The message names the class and what to do."""
    store.add(clouds.references({"ant": 5}, pictures))
    with pytest.raises(TooFewReferences, match=r"one class only \('ant'\).*`ingest add`"):
        retrain(store)


def test_retrain__empty_gallery_is_refused(store: VectorStore) -> None:
    """The message says what to do."""
    with pytest.raises(TooFewReferences, match="holds no references: add some with `ingest add`"):
        retrain(store)


def test_retrain__groups_are_not_split(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """References of one group are never scored by their own: shuffled labels score at chance."""
    rng = np.random.default_rng(0)
    references = []
    for specimen in range(40):
        label = "ant" if rng.random() < 0.5 else "bee"
        vector = clouds.of(f"specimen {specimen}", 1)[0]
        for shot in range(3):
            name = f"{specimen}-{shot}"
            noise = 0.1 * rng.normal(size=len(vector))
            references.append(
                pictures.embedded(name, label, vector=vector + noise, group=str(specimen))
            )
    store.add(references)
    report = retrain(store).report
    assert report["cross_validation"]["accuracy"] < 0.75


def test_retrain__second_one_says_who_runs_and_leaves(gallery: VectorStore) -> None:
    """While another run holds the lease, the message names it; nothing is trained."""
    holder = "farm pid 4711 since 2026-11-01T12:00:00Z #0badcafe"
    gallery.acquire_lease("retrain", holder=holder, seconds=60)
    with pytest.raises(
        HeadBusy, match=r"another retrain is running.*4711 on farm, since 2026-11-01T12:00:00Z"
    ):
        retrain(gallery)
    assert gallery.heads() == []


def test_retrain__gives_its_lease_back(gallery: VectorStore) -> None:
    """After a run, also one that failed, the next one may start."""
    retrain(gallery)
    lease = gallery.acquire_lease("retrain", holder="somebody", seconds=60)
    assert lease.holder == "somebody"
    gallery.release_lease("retrain", holder="somebody")
    gallery.remove(where=Where.equal("label", "ant", "bee"))
    with pytest.raises(TooFewReferences):
        retrain(gallery)
    assert gallery.acquire_lease("retrain", holder="other", seconds=1).holder == "other"


def test_if_needed__does_nothing_until_references_change(
    gallery: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Unchanged: no training. An addition, a relabelling and a removal each ask for one."""
    options = RetrainOptions(if_needed=True)
    assert retrain(gallery, options).status is RetrainStatus.ACTIVATED
    unchanged = retrain(gallery, options)
    assert unchanged.status is RetrainStatus.NOT_NEEDED
    assert "no reference changed" in unchanged.reason

    gallery.add(clouds.references({"ant": 1}, pictures, first=50))
    assert retrain(gallery, options).status is RetrainStatus.ACTIVATED
    gallery.relabel("bee", ids=[picture_id("ant-0")])
    assert retrain(gallery, options).status is RetrainStatus.ACTIVATED
    gallery.remove(ids=[picture_id("ant-1")])
    assert retrain(gallery, options).status is RetrainStatus.ACTIVATED
    assert retrain(gallery, options).status is RetrainStatus.NOT_NEEDED


def test_if_needed__min_new_waits_for_enough(
    gallery: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """With --min-new 3, two new references are not enough, and three are."""
    retrain(gallery)
    options = RetrainOptions(if_needed=True, min_new=3)
    gallery.add(clouds.references({"ant": 2}, pictures, first=50))
    waiting = retrain(gallery, options)
    assert waiting.status is RetrainStatus.NOT_NEEDED
    assert "2 references changed" in waiting.reason
    assert "fewer than --min-new 3" in waiting.reason
    gallery.add(clouds.references({"bee": 1}, pictures, first=50))
    assert retrain(gallery, options).status is RetrainStatus.ACTIVATED


def test_retrain__old_versions_are_forgotten(
    gallery: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the newest versions stay, and those that rollback can reach."""
    monkeypatch.setattr(job, "KEPT_VERSIONS", 2)
    monkeypatch.setattr(registry, "HISTORY", 1)
    versions = [retrain(gallery).version for _ in range(4)]
    assert [record.version for record in gallery.heads()] == versions[-2:]


def test_retrain__if_needed_loads_neither_torch_nor_scikit_learn(
    gallery: VectorStore, tmp_path: Path
) -> None:
    """The run that finds nothing to do imports no training code."""
    retrain(gallery)
    gallery.close()
    program = (
        "import sys; from head.cli import app; app(args=['--if-needed'], standalone_mode=False); "
        "print(sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[0].startswith("nothing to do: no reference changed")
    assert done.stdout.splitlines()[1] == "[]"
