"""Write a loaded encoder as a network that runs without torch, and see that it is the same.

torch's tracing exporter is used: it needs the package `onnx` and nothing else, takes a second, and
takes every network that can be run. What comes out is optimised as far as it stays good for any
processor, so that opening it costs a third of the time.

It is compared with torch on trial pictures, one by one and together, before it gets its name: a
file of that name is whole and verified.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx  # noqa: F401  torch's exporter needs it: whoever lacks it learns that here
import torch

from holotype.encoder.onnx_encoder import (
    FAILURES,
    PIXELS,
    VECTORS,
    OnnxEncoder,
    OnnxFacts,
    facts_path,
)
from holotype.encoder.onnxruntime_import import onnxruntime
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.errors import EncoderError
from holotype.images.square import Pixels
from holotype.store.files import sync_folder, write_json

AGREEMENT = 0.9999
"""Least cosine to torch's vector of every trial picture."""

MOST_BYTES = 2**31 - 2**20
"""Of the weights: an ONNX file ends at 2 GiB."""

OPSET = 17
"""The first with layer normalisation in one operation."""

TRACING_FAILURES = (RuntimeError, AssertionError, TypeError, ValueError, LookupError)
"""What the exporter raises besides its own error, of a network that it cannot express."""

TRIALS = 8


def export_onnx(encoder: TimmEncoder, path: Path) -> OnnxFacts:
    """Write `path` (`.onnx`) and its facts beside it, verified.

    Args:
        encoder: on the CPU.
        path: its folder exists; what is there is replaced whole or not at all.

    Raises:
        EncoderError: the encoder cannot be exported, or what was exported gives other vectors:
            then nothing is written.
        OSError: there is no room for it.
    """
    if encoder.device != "cpu":
        raise EncoderError(
            f"an encoder on {encoder.device} cannot be exported: load it with --device cpu"
        )
    if network_bytes(encoder) > MOST_BYTES:
        raise EncoderError(f"{encoder.fingerprint.backbone} is too large for an ONNX file (2 GiB)")
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        plain, optimised = Path(folder) / "plain.onnx", Path(folder) / path.name
        write_network(encoder, plain)
        optimise(plain, optimised)
        network = optimised.read_bytes()
        facts = verified(encoder, network)
        facts_path(path).unlink(missing_ok=True)  # a network of other facts is never there
        optimised.replace(path)
        sync_folder(path.parent)
        write_json(facts_path(path), facts.to_dict())
    return facts


def network_bytes(encoder: TimmEncoder) -> int:
    """What the weights take, in memory and in a file."""
    return sum(tensor.nbytes for tensor in encoder.network.state_dict().values())


def write_network(encoder: TimmEncoder, path: Path) -> None:
    """Write the network as torch's exporter gives it, for those who go on to change it.

    Raises:
        EncoderError: it cannot be exported.
    """
    side = encoder.recipe.image_size
    pixels = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    try:
        with torch.inference_mode(), _quietly():
            torch.onnx.export(
                encoder.network,
                (pixels,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[PIXELS],
                output_names=[VECTORS],
                dynamic_axes={PIXELS: {0: "n"}, VECTORS: {0: "n"}},
            )
    except (torch.onnx.errors.OnnxExporterError, *TRACING_FAILURES) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise EncoderError(
            f"{encoder.fingerprint.backbone} cannot be exported to ONNX ({reason})"
        ) from error


def optimise(source: Path, target: Path) -> None:
    """Write a network with what can be joined joined; still good for any processor.

    Raises:
        EncoderError: ONNX Runtime cannot run it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    try:
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except FAILURES as error:
        raise EncoderError(f"ONNX Runtime cannot run what was exported ({error})") from error


def verified(encoder: TimmEncoder, network: bytes) -> OnnxFacts:
    """The facts of a network that gives this encoder's vectors.

    Raises:
        EncoderError: it gives others.
    """
    facts = OnnxFacts(encoder.fingerprint, encoder.recipe, zlib.crc32(network), cosine=0.0)
    exported = OnnxEncoder(network, facts)
    pictures = trial_pictures(encoder.recipe.image_size)
    expected = encoder.encode(pictures)
    try:
        together = exported.encode(pictures)
        alone = np.concatenate([exported.encode([picture]) for picture in pictures])
    except FAILURES as error:  # a batch of one size only, for one
        raise EncoderError(f"what was exported cannot be run ({error})") from error
    cosine = float(min((expected * got).sum(axis=1).min() for got in (together, alone)))
    if not cosine >= AGREEMENT:  # NaN too
        raise EncoderError(
            f"the exported {encoder.fingerprint.backbone} gives other vectors than torch: cosine "
            f"{cosine:.6f} on trial pictures, at least {AGREEMENT} is needed"
        )
    return OnnxFacts(facts.fingerprint, facts.recipe, facts.crc32, cosine)


def trial_pictures(side: int) -> list[Pixels]:
    """Pictures like photographs in their statistics, the same every time.

    Coloured noise whose amplitude falls with frequency as that of natural scenes does (Field 1987),
    from soft to grainy, dark to bright.

    Returns:
        `TRIALS` arrays (side, side, 3) uint8.
    """
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency[0, 0] = 1.0
    pictures = []
    for steepness, brightness in zip(
        np.linspace(1.6, 0.4, TRIALS), np.linspace(80, 180, TRIALS), strict=True
    ):
        noise = np.fft.rfft2(generator.standard_normal((3, side, side)))
        waves = np.fft.irfft2(noise / frequency**steepness, s=(side, side))
        waves *= 50 / waves.std()
        picture = np.clip(brightness + waves, 0, 255).astype(np.uint8)
        pictures.append(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    return pictures


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's own warnings: of its age, and of shapes that the trace makes fixed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
