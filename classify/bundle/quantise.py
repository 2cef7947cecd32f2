"""An encoder in int8: smaller, and another encoder, whose answers are others.

What is summed over many weights is quantised, the rest stays in float32:

- convolutions, statically: the range of what they take is learned from pictures of the gallery.
  The first fifth, the last and the depthwise ones are left alone: they hold few of the weights,
  and cost most of the accuracy (`docs/LAB.md`);
- products of matrices, as in transformers, dynamically: the range is that of the picture at hand.

Weights have a scale for each channel, and seven bits: on processors without VNNI the sums of eight
would saturate, and give other vectors than elsewhere.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnx

import holotype.encoder.onnxruntime_import  # noqa: F401  before the runtime: it is silenced there

# isort: split
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from holotype.encoder.onnx_encoder import PIXELS, OnnxEncoder, OnnxFacts
from holotype.encoder.onnx_export import write_network
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.images.square import Pixels

FEW_CONVOLUTIONS: Final = 4
"""A transformer cuts its patches with one; with more than these, a network is made of them."""


EARLY: Final = 0.2
"""Share of the convolutions, from the first on, that stay in float32."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """An encoder in int8."""

    network: bytes
    facts: OnnxFacts
    """With a fingerprint of its own, and the least cosine to the vectors of float32."""


def quantised(encoder: TimmEncoder, plain: OnnxEncoder, pictures: Sequence[Pixels]) -> Quantised:
    """The encoder in int8.

    Args:
        encoder: on the CPU.
        plain: the same in float32.
        pictures: of the gallery, like those that are to come; nothing is measured on them but
            ranges and the cosine.

    Raises:
        EncoderError: it cannot be exported, or not be run.
    """
    with TemporaryDirectory(prefix="holotype-int8-") as folder:
        exported, prepared, target = (
            Path(folder) / name for name in ("exported.onnx", "prepared.onnx", "int8.onnx")
        )
        write_network(encoder, exported)
        quant_pre_process(str(exported), str(prepared), skip_symbolic_shape=True)
        how: dict[str, Any] = {
            "weight_type": QuantType.QInt8, "per_channel": True, "reduce_range": True
        }  # fmt: skip
        left_alone = _delicate(prepared)
        if left_alone is None:
            quantize_dynamic(str(prepared), str(target), op_types_to_quantize=["MatMul"], **how)
        else:
            quantize_static(
                str(prepared),
                str(target),
                _Reader(pictures),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=left_alone,
                **how,
            )
        network = target.read_bytes()
    fingerprint = replace(encoder.fingerprint, weights_sha256=hashlib.sha256(network).hexdigest())
    facts = OnnxFacts(fingerprint, encoder.recipe, zlib.crc32(network), cosine=0.0)
    found, expected = OnnxEncoder(network, facts).encode(pictures), plain.encode(pictures)
    cosine = float((found * expected).sum(axis=1).min())
    return Quantised(network, replace(facts, cosine=cosine))


def _delicate(network: Path) -> list[str] | None:
    """Names of the convolutions to leave alone; None where a network is not made of them."""
    graph = onnx.load(str(network)).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    if len(convolutions) <= FEW_CONVOLUTIONS:
        return None
    depthwise = [
        node.name
        for node in convolutions
        if any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
    ]
    early = convolutions[: math.ceil(len(convolutions) * EARLY)]
    return [*{*(node.name for node in (*early, convolutions[-1])), *depthwise}]


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped
    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self._pictures: Iterator[Pixels] = iter(pictures)

    def get_next(self) -> dict[str, np.typing.NDArray[np.uint8]] | None:
        picture = next(self._pictures, None)
        return None if picture is None else {PIXELS: picture[None]}
