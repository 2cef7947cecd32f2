"""The encoder that runs an exported network with ONNX Runtime, NumPy and Pillow: no torch.

An export is two files: the network (`.onnx`, optimised for any processor) and beside it its facts
(`.json`), which are written last. A network without facts, or another than they describe, is
refused. `holotype.encoder.onnx_export` writes both.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from holotype.encoder.onnxruntime_import import onnxruntime
from holotype.encoder.protocol import Ended, UnderWay
from holotype.errors import EncoderError
from holotype.fingerprint import Fingerprint
from holotype.images.cost import MAX_PIXELS
from holotype.images.recipe import Recipe
from holotype.images.square import Pixels
from holotype.references import Vectors

BATCH_SIZE = 32
"""Pictures that are taken at a time where nothing is said, as by torch on a processor."""

PER_RUN = 2
"""Of them in one run: more no longer fit into a processor's cache, and take a tenth longer each."""

PIXELS, VECTORS = "pixels", "vectors"
"""Names of the network's input, (N, S, S, 3) uint8, and output, (N, D) float32 of unit length."""

_errors = onnxruntime.capi.onnxruntime_pybind11_state
FAILURES: tuple[type[Exception], ...] = (
    _errors.EPFail,
    _errors.Fail,
    _errors.InvalidArgument,
    _errors.InvalidGraph,
    _errors.InvalidProtobuf,
    _errors.NoSuchFile,
    _errors.NotImplemented,
    _errors.RuntimeException,
    RuntimeError,
    ValueError,
)
"""What ONNX Runtime raises, and NumPy of an output that has another shape; the first have no common
base."""


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What must be known of an exported network to use it in the place of torch's."""

    fingerprint: Fingerprint
    """Of the network that was exported: the vectors are the same to rounding."""
    recipe: Recipe
    """How pictures are prepared for it."""
    crc32: int
    """Of the network's file: tells damage."""
    cosine: float
    """The least to torch's vectors that was seen on the trial pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        recipe = asdict(self.recipe)
        del recipe["max_pixels"], recipe["thumbnail_side"]  # settings, no facts
        return {
            "fingerprint": self.fingerprint.to_dict(),
            "recipe": recipe,
            "crc32": self.crc32,
            "cosine": self.cosine,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OnnxFacts:
        """Inverse of `to_dict`.

        Raises:
            EncoderError: something is missing or not what it should be.
        """
        try:
            recipe = dict(data["recipe"])
            for name in ("mean", "std"):
                recipe[name] = tuple(recipe[name])
            return cls(
                Fingerprint.from_dict(data["fingerprint"]),
                Recipe(**recipe),
                int(data["crc32"]),
                float(data["cosine"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"the facts of an exported encoder are damaged ({error})") from error


def facts_path(network: Path) -> Path:
    """Where the facts of an exported network are."""
    return network.with_suffix(".json")


class OnnxEncoder:
    """See `holotype.encoder.protocol.Encoder`."""

    def __init__(
        self,
        network: bytes,
        facts: OnnxFacts,
        *,
        max_pixels: int = MAX_PIXELS,
        batch_size: int = BATCH_SIZE,
        threads: int = 0,
    ) -> None:
        """Use this network.

        Args:
            network: an ONNX file.
            facts: of it.
            max_pixels: of a picture that are decoded at most.
            batch_size: pictures that are taken at a time.
            threads: for one run; 0: as many as there are cores.

        Raises:
            EncoderError: it is not the network of these facts, or this version of ONNX Runtime
                cannot run it.
        """
        if zlib.crc32(network) != facts.crc32:
            raise EncoderError("an exported encoder is damaged: its checksum is another one")
        if facts.recipe.describe() != facts.fingerprint.preprocessing:
            raise EncoderError("an exported encoder was made for pictures that are read otherwise")
        self._facts = facts
        self._recipe = replace(facts.recipe, max_pixels=max_pixels)
        self._batch_size = batch_size
        self._session = open_session(network, threads=threads)

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        max_pixels: int = MAX_PIXELS,
        batch_size: int = BATCH_SIZE,
        threads: int = 0,
    ) -> OnnxEncoder:
        """That of a file that `export_onnx` wrote.

        Raises:
            EncoderError: it cannot be read, or see `OnnxEncoder`.
        """
        try:
            facts = OnnxFacts.from_dict(json.loads(facts_path(path).read_text(encoding="utf-8")))
            network = path.read_bytes()
        except (OSError, ValueError) as error:
            raise EncoderError(f"exported encoder {path} cannot be read: {error}") from error
        return cls(network, facts, max_pixels=max_pixels, batch_size=batch_size, threads=threads)

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space of its vectors."""
        return self._facts.fingerprint

    @property
    def recipe(self) -> Recipe:
        """How pictures must be prepared for `encode`."""
        return self._recipe

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return self.fingerprint.dimension

    @property
    def device(self) -> str:
        """`cpu`."""
        return "cpu"

    @property
    def batch_size(self) -> int:
        """Pictures that it takes best at a time."""
        return self._batch_size

    def begin(self, pixels: Sequence[Pixels]) -> UnderWay:
        """See `holotype.encoder.protocol.Encoder.begin`."""
        side = self._recipe.image_size
        wrong = [picture.shape for picture in pixels if picture.shape != (side, side, 3)]
        if wrong:
            raise ValueError(f"a picture of shape {wrong[0]}, the recipe makes {(side, side, 3)}")
        started = time.perf_counter()
        parts = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(pixels), PER_RUN):
            batch = np.stack(pixels[start : start + PER_RUN])
            parts += self._session.run([VECTORS], {PIXELS: batch})
        return Ended(np.concatenate(parts), time.perf_counter() - started)

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """See `holotype.encoder.protocol.Encoder.encode`."""
        return self.begin(pixels).vectors()


def open_session(network: bytes, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """Make a network ready to run on the processor.

    Raises:
        EncoderError: this version of ONNX Runtime cannot run it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Or its threads go on spinning after each run, on cores that decoding and searching need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors: what it warns of nobody here can change
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except FAILURES as error:
        raise EncoderError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run an exported encoder ({error})"
        ) from error
