"""Vectors that come from elsewhere: what is taken, and which reference it is."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from holotype.errors import FingerprintMismatch, InvalidReference, UsageError
from holotype.fingerprint import Fingerprint
from holotype.intake.batch import Intake
from holotype.intake.vectors import incoming_vectors, unit_vectors, vector_records
from holotype.outcomes import OnConflict, Outcome
from holotype.references import REFERENCE_NAMESPACE, EmbeddedReference, Reference, reference_id
from holotype.store.edge.store import EdgeStore

SPACE = Fingerprint.of_space("my-encoder v3", 4)
PICTURES = Fingerprint("net", "0" * 64, 224, "resize", "cls", "l2", 4)
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = ["a", "a", "b", "b", "c", "c"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    """An empty gallery of vectors."""
    with EdgeStore.open(tmp_path, "v", fingerprint=SPACE, command="test", create=True) as store:
        yield store


def outcomes(store: EdgeStore, *args: object, **options: object) -> list[Outcome]:
    """What becomes of these columns in a gallery of vectors."""
    records = vector_records(*args, dimension=4, **options)  # type: ignore[arg-type]
    return [o.outcome for o in Intake(store, None).add_vectors(incoming_vectors(records, SPACE))]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([1, 2, 3], "row 1 has 3 numbers, the gallery's vectors have 4"),
        ([1, 2, np.nan, 4], "row 1 holds NaN"),
        ([1, 2, np.inf, 4], "row 1 holds infinite numbers"),
        ([0, 0, 0, 0], "row 1 is all zeros"),
        (["a", "b", "c", "d"], "row 1 does not hold real numbers"),
    ],
)
def test_unit_vectors__bad_row_is_named(bad: list[object], said: str) -> None:
    """What is no vector of the gallery is refused by its row, and by its name where it has one."""
    with pytest.raises(InvalidReference, match=said):
        unit_vectors([[1, 2, 3, 4], bad], 4)
    with pytest.raises(InvalidReference, match=r"row 1 \('second'\)"):
        unit_vectors([[1, 2, 3, 4], bad], 4, ids=["first", "second"])


def test_unit_vectors__matrix_of_another_dimension() -> None:
    """A whole matrix of another length is refused by its first row, and the others counted."""
    with pytest.raises(InvalidReference, match=r"row 0 has 3 numbers.*2 more rows like it"):
        unit_vectors(np.ones((3, 3)), 4)


@pytest.mark.parametrize("one", [np.ones(4), 3.0])
def test_unit_vectors__one_vector_is_no_matrix(one: object) -> None:
    """A vector by itself is told how to become a row."""
    with pytest.raises(InvalidReference, match=r"X\[None, :\]"):
        unit_vectors(one, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "f2", "i4"])
def test_unit_vectors__length_one_whatever_the_numbers(dtype: str) -> None:
    """Any real numbers become float32 rows of length 1 that point the same way."""
    given = np.array([[3, 0, 4, 0], [-1, 1, -1, 1]], dtype)
    units = unit_vectors(given, 4)
    assert units.dtype == np.float32
    np.testing.assert_allclose(units, [[0.6, 0, 0.8, 0], [-0.5, 0.5, -0.5, 0.5]], rtol=1e-7)


def test_unit_vectors__extreme_numbers() -> None:
    """Numbers whose squares are out of range still have their direction."""
    units = unit_vectors(np.array([[3e300, 0, 4e300, 0], [3e-300, 0, 4e-300, 0]]), 4)
    np.testing.assert_allclose(units, [[0.6, 0, 0.8, 0]] * 2, rtol=1e-7)


def test_unit_vectors__twice_is_once() -> None:
    """What has length 1 stays bit for bit, so that an export added again is the same references."""
    many = np.random.default_rng(1).normal(size=(5000, 384))
    once = unit_vectors(many, 384)
    assert np.array_equal(unit_vectors(once, 384), once)
    assert np.array_equal(unit_vectors(once.astype(np.float64), 384), once)


def test_vector_records__columns_of_other_lengths() -> None:
    """Labels that are fewer than vectors are refused before anything is paired wrongly."""
    with pytest.raises(UsageError, match="6 vectors and 5 labels"):
        vector_records(X, LABELS[:5], dimension=4)


def test_vector_records__columns_of_pandas_are_taken_by_place() -> None:
    """Labels whose index was shuffled, as after a split, belong to the rows beside them."""
    import pandas as pd

    shuffled = pd.DataFrame({"label": LABELS, "group": ["g", None] * 3}, index=[5, 3, 4, 0, 2, 1])
    records = vector_records(
        pd.DataFrame(X), shuffled["label"], dimension=4, groups=shuffled["group"]
    )
    assert [record.label for record in records] == LABELS
    assert [record.group for record in records] == ["g", None] * 3
    assert np.array_equal(np.stack([r.vector for r in records]), unit_vectors(X, 4))


def test_vector_records__labels_may_be_numbers() -> None:
    """Whole numbers are written as such; a number that is missing is no label."""
    records = vector_records(X[:3], np.array([3, 4, 5]), dimension=4)
    assert [record.label for record in records] == ["3", "4", "5"]
    assert vector_records(X[:1], np.array([3.0]), dimension=4)[0].label == "3"
    with pytest.raises(UsageError, match="row 1: the label is empty"):
        vector_records(X[:2], np.array([3.0, np.nan]), dimension=4)


def test_vector_records__bad_text_is_named_by_row() -> None:
    """A label that shows nothing is refused with its row."""
    with pytest.raises(UsageError, match=r"row 2 .'r2'.: the label is empty"):
        vector_records(
            X, ["a", "a", " ", "b", "c", "c"], dimension=4, ids=[f"r{i}" for i in range(6)]
        )


def test_id__is_the_documented_rule(store: EdgeStore) -> None:
    """The id is UUIDv5 of sha256 of space, zero byte and the stored little-endian float32."""
    outcomes(store, X, LABELS)
    row = unit_vectors(X, 4)[0]
    sha256 = hashlib.sha256(b"my-encoder v3\0" + row.astype("<f4").tobytes()).hexdigest()
    [found] = store.get([str(uuid.uuid5(REFERENCE_NAMESPACE, sha256))])
    assert (found.label, found.sha256, found.is_vector) == ("a", sha256, True)


def test_add__twice_does_nothing(store: EdgeStore) -> None:
    """The same vectors, also scaled, are the same references."""
    assert outcomes(store, X, LABELS) == [Outcome.ADDED] * 6
    assert outcomes(store, X * 4, LABELS) == [Outcome.ALREADY_PRESENT] * 6
    assert store.count() == 6


def test_add__repeated_in_one_call(store: EdgeStore) -> None:
    """A vector twice in one call is one reference; under two labels, a conflict."""
    found = outcomes(store, X[[0, 0, 0]], ["a", "a", "b"])
    assert found == [Outcome.ADDED, Outcome.ALREADY_PRESENT, Outcome.LABEL_CONFLICT]


def test_add__conflict_as_for_files(store: EdgeStore) -> None:
    """Another label is refused, kept or put in place, as asked."""
    outcomes(store, X[:1], ["a"])
    records = vector_records(X[:1], ["z"], dimension=4)

    def add(policy: OnConflict) -> Outcome:
        items = incoming_vectors(records, SPACE)
        return Intake(store, None).add_vectors(items, on_conflict=policy)[0].outcome

    assert add(OnConflict.ERROR) is Outcome.LABEL_CONFLICT
    assert add(OnConflict.KEEP) is Outcome.KEPT
    assert store.counts() == {"a": 1}
    assert add(OnConflict.REPLACE) is Outcome.RELABELLED
    assert store.counts() == {"z": 1}


def test_add__names_of_ones_own(store: EdgeStore) -> None:
    """A UUID is the id as it is, other text is hashed; a name with another vector is refused."""
    own = str(uuid.uuid4())
    assert outcomes(store, X[:2], ["a", "a"], ids=[own, "gene 7"]) == [Outcome.ADDED] * 2
    hashed = reference_id(hashlib.sha256(b"gene 7").hexdigest())
    assert store.existing([own, hashed]) == {own: "a", hashed: "a"}
    assert outcomes(store, X[:2], ["a", "a"], ids=[own, "gene 7"]) == [Outcome.ALREADY_PRESENT] * 2
    assert outcomes(store, X[2:4], ["a", "b"], ids=[own, "new"]) == [Outcome.FAILED, Outcome.ADDED]
    assert outcomes(store, X[4:6], ["c", "c"], ids=["x", "x"]) == [Outcome.ADDED, Outcome.FAILED]


def test_add__text_is_made_uniform(store: EdgeStore) -> None:
    """Labels, groups and metadata get their one spelling, as at every other door."""
    outcomes(store, X[:1], ["  pine\u00a0 pollen"], groups=["tree  1"], meta=[{"site": " a  b "}])
    [found] = store.list_references().references
    assert (found.label, found.group, found.meta) == ("pine pollen", "tree 1", {"site": "a b"})


def test_add__two_threads(store: EdgeStore) -> None:
    """Two threads that add the same vectors add each once."""
    many = np.random.default_rng(2).normal(size=(3000, 4))
    records = vector_records(many, ["a"] * 3000, dimension=4)
    intake = Intake(store, None)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(intake.add_vectors, incoming_vectors(records, SPACE)) for _ in "ab"]
        found = [outcome.outcome for run in runs for outcome in run.result()]
    assert found.count(Outcome.ADDED) == found.count(Outcome.ALREADY_PRESENT) == 3000


def test_spaces__refuse_each_other(tmp_path: Path) -> None:
    """Pictures and vectors, and vectors of two spaces, are refused in words that fit."""
    for name, stored in (("pictures", PICTURES), ("vectors", SPACE)):
        EdgeStore.open(tmp_path, name, fingerprint=stored, command="test", create=True).close()
    other = Fingerprint.of_space("their-encoder", 4)
    for name, wanted, said in (
        ("pictures", SPACE, "holds pictures embedded by 'net', not vectors of space 'my-enc"),
        ("vectors", PICTURES, "holds vectors of space 'my-encoder v3' with 4 numbers, not pict"),
        ("vectors", other, "not vectors of space 'their-encoder' with 4"),
        ("vectors", Fingerprint.of_space("my-encoder v3", 5), "not .* with 5 numbers"),
    ):
        with pytest.raises(FingerprintMismatch, match=said):
            EdgeStore.open(tmp_path, name, fingerprint=wanted, command="test")


def test_of_space__the_name_stands_for_it() -> None:
    """A name has one spelling, makes one fingerprint, and comes back from its stored form."""
    assert Fingerprint.of_space(" my-encoder  v3", 4) == SPACE
    assert Fingerprint.from_dict(SPACE.to_dict()).space == "my-encoder v3"
    assert PICTURES.space is None
    for name, dimension in ((" ", 4), ("x", 0), ("x", 10**6)):
        with pytest.raises(UsageError):
            Fingerprint.of_space(name, dimension)


def test_add__pictures_into_vectors(store: EdgeStore) -> None:
    """A picture for a gallery of vectors is told whose vectors these are, and what to call."""
    with pytest.raises(UsageError, match=r"space 'my-encoder v3'.*classify_vectors"):
        Intake(store, None).add([])


def test_verify__references_without_a_file_are_whole(store: EdgeStore) -> None:
    """What was added as vectors is found whole, with ids of one's own, too."""
    outcomes(store, X[:3], LABELS[:3])
    outcomes(store, X[3:], LABELS[3:], ids=[str(uuid.uuid4()), "gene 7", "gene 8"])
    checked = store.verify()
    assert (checked.references, checked.damages) == (6, [])


def test_add__picture_with_anothers_id_is_still_refused(store: EdgeStore) -> None:
    """The rule for files stands: a picture's id is that of its bytes."""
    wrong = Reference(str(uuid.uuid4()), "a", "0" * 64, "a.png", 8, 8, "2026-01-01T00:00:00+00:00")
    with pytest.raises(InvalidReference, match="its id is not the one of the picture"):
        store.add([EmbeddedReference(wrong, unit_vectors(X[:1], 4)[0])])
