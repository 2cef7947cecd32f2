"""Weights: read from a file without unpickling code, and named by their content."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError

from holotype.encoder.timm_import import timm
from holotype.errors import WeightsUnavailable

StateDict = dict[str, torch.Tensor]

_COUNTERS = "num_batches_tracked"  # training bookkeeping of batch norm: no part of the function


def read_checkpoint(path: Path) -> StateDict:
    """Tensors of a `.safetensors`, `.pth`, `.pt` or `.bin` file, on the CPU.

    Training checkpoints are unwrapped (averaged weights first) and wrapper prefixes removed, as
    timm does. Pickled files are read with `weights_only=True`: no code in them is ever run.

    Raises:
        WeightsUnavailable: the file is missing, damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise WeightsUnavailable(f"checkpoint {path} does not exist or is not a file")
    try:
        state = timm.models.load_state_dict(str(path))
    except (OSError, SafetensorError, pickle.UnpicklingError, EOFError) as error:
        raise WeightsUnavailable(f"checkpoint {path} cannot be read: {error}") from error
    except RuntimeError as error:  # torch's word for a broken archive and for refused globals
        raise WeightsUnavailable(
            f"checkpoint {path} cannot be read as plain tensors: {_first_line(error)}. "
            "Save its state dict alone, best as .safetensors"
        ) from error
    if not isinstance(state, Mapping) or not any(torch.is_tensor(v) for v in state.values()):
        raise WeightsUnavailable(f"checkpoint {path} holds no state dict")
    return dict(state)


def without_prefix(state: StateDict) -> StateDict | None:
    """The same less the word that every name begins with (`backbone.`); None where none does.

    Whoever trains a backbone inside something larger saves it so.
    """
    first = next(iter(state), "")
    prefix, dot, _ = first.partition(".")
    if not dot or not all(name.startswith(f"{prefix}.") for name in state):
        return None
    return {name.removeprefix(f"{prefix}."): tensor for name, tensor in state.items()}


def weights_sha256(network: torch.nn.Module) -> str:
    """Hex sha256 over the tensors of a network, independent of the file they came from.

    Sorted by name; of each its name, dtype, shape and little-endian bytes. Batch norm's step
    counters are left out: files keep or drop them, and they do not change a vector.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name.endswith(_COUNTERS):
            continue
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"{name}:{tensor.dtype}:{shape}\n".encode())
        digest.update(_raw_bytes(tensor))
    return digest.hexdigest()


def _raw_bytes(tensor: torch.Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
