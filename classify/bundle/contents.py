"""What a bundle holds, and how that is written and read.

Shapes: C classes, D dimensions, N references.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from classify.bundle.sample import Sample
from head.versions.class_means import NewClass, extend
from head.versions.head import Head
from holotype.errors import BundleError
from holotype.heads import HeadRecord, StoredHead
from holotype.references import Reference, Vectors

if TYPE_CHECKING:
    from classify.bundle.archive import BundleReader, BundleWriter

ENCODER = "encoder.onnx"

_BY_VOTES = ("knn", "auto")
"""Calibrations of votes of the whole gallery: the votes of a sample are others."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A picture with the answer that it was given when the bundle was made."""

    picture: bytes
    """The file that is answered: a small JPEG."""
    label: str
    """What it is in the gallery."""
    scores: Mapping[str, float]
    """Of the most probable labels, in linear mode."""
    vector: Vectors
    """(D,) of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """Everything in a bundle but its code."""

    network: bytes
    """The encoder, as ONNX."""
    facts: Mapping[str, Any]
    """`OnnxFacts` of it, in JSON form."""
    head: StoredHead
    """The active head of the gallery, as it was trained."""
    counts: Mapping[str, int]
    """The gallery's references per label, all of them."""
    newer: Sequence[NewClass]
    """Classes that are answered from the mean of their references."""
    sample: Sample
    golden: Sequence[Golden]
    notes: Mapping[str, Any]
    """For people: when it was made and by what, what quantising cost, the licences."""

    def of_today(self) -> Head:
        """The head for the labels of the gallery, as its own service has it.

        Raises:
            HeadError: the stored numbers do not fit.
        """
        head = extend(Head.from_stored(self.head), self.counts, self.newer)
        if self.sample.is_whole:
            return head
        kept = {mode: one for mode, one in head.calibration.items() if mode not in _BY_VOTES}
        return replace(head, calibration=kept)

    def write(self, bundle: BundleWriter, thumbnails: Mapping[str, bytes]) -> None:
        """Add all of it, and small JPEGs of the sample by their ids."""
        bundle.add(ENCODER, self.network)
        for name, block in self.head.blocks.items():
            bundle.add_array(f"head-{name}", block)
        if self.newer:
            bundle.add_array("newer-means", np.stack([one.mean for one in self.newer]))
        for number, one in enumerate(self.newer):
            if one.flat is not None:
                bundle.add_array(f"newer-flat-{number}", one.flat)
        bundle.add_array("references", self.sample.vectors)
        for id_, thumbnail in thumbnails.items():
            bundle.add(_thumbnail(id_), thumbnail)
        bundle.add_array("golden", np.stack([golden.vector for golden in self.golden]))
        for number, golden in enumerate(self.golden):
            bundle.add(_golden(number), golden.picture)
        record = asdict(self.head.record)
        del record["block_rows"]
        bundle.about |= {
            "notes": dict(self.notes),
            "gallery": {"name": self.sample.gallery, "counts": dict(self.counts)},
            "encoder": dict(self.facts),
            "head": record | {"blocks": sorted(self.head.blocks)},
            "newer": [{"label": one.label, "count": one.count} for one in self.newer],
            "references": [_reference(reference) for reference in self.sample.references],
            "golden": [{"label": g.label, "scores": dict(g.scores)} for g in self.golden],
        }

    @classmethod
    def read(cls, bundle: BundleReader) -> Contents:
        """Inverse of `write`, but for the thumbnails (`thumbnail`).

        Raises:
            BundleError: something is missing, or is not what was written.
        """
        try:
            return cls._read(bundle)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{bundle.path} does not say what it should: {error!r}") from error

    @classmethod
    def _read(cls, bundle: BundleReader) -> Contents:
        about = bundle.about
        record = dict(about["head"])
        blocks = {name: bundle.array(f"head-{name}") for name in record.pop("blocks")}
        record["labels"] = tuple(record["labels"])
        gallery, golden, vectors = about["gallery"], about["golden"], bundle.array("golden")
        return cls(
            network=bundle.read(ENCODER),
            facts=about["encoder"],
            head=StoredHead(HeadRecord(**record), blocks),
            counts=gallery["counts"],
            newer=_newer(bundle),
            sample=Sample(
                gallery["name"],
                sum(gallery["counts"].values()),
                [Reference(**one) for one in about["references"]],
                bundle.array("references"),
            ),
            golden=[
                Golden(bundle.read(_golden(number)), one["label"], one["scores"], vector)
                for number, (one, vector) in enumerate(zip(golden, vectors, strict=True))
            ],
            notes=about["notes"],
        )


def thumbnail(bundle: BundleReader, id_: str) -> bytes:
    """JPEG of a reference in the sample.

    Raises:
        BundleError: it is not what was written.
    """
    return bundle.read(_thumbnail(id_))


def _newer(bundle: BundleReader) -> list[NewClass]:
    about = bundle.about["newer"]
    if not about:
        return []
    means = bundle.array("newer-means")
    return [
        NewClass(
            one["label"],
            mean,
            one["count"],
            bundle.array(name) if bundle.holds(name := f"newer-flat-{number}") else None,
        )
        for number, (one, mean) in enumerate(zip(about, means, strict=True))
    ]


def _reference(reference: Reference) -> dict[str, Any]:
    """As JSON; of the maker's folders only the last is told."""
    said = asdict(reference)
    said["source"] = "/".join(reference.source.replace("\\", "/").rsplit("/", 2)[-2:])
    return json.loads(json.dumps(said))  # type: ignore[no-any-return]


def _thumbnail(id_: str) -> str:
    return f"references/{id_}.jpg"


def _golden(number: int) -> str:
    return f"golden/{number}.jpg"
