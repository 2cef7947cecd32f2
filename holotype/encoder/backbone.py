"""timm networks by name: checked, with weights from the hub or from a file, at a given size."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holotype.encoder import hub
from holotype.encoder.cpu_threads import one_thread
from holotype.encoder.names import ELSEWHERE, LOCAL, architecture_of, as_timm_calls_it
from holotype.encoder.timm_import import timm
from holotype.encoder.weights import StateDict, read_checkpoint, without_prefix
from holotype.errors import UnknownBackbone, UsageError, WeightsUnavailable

_TENSORS = re.compile(r'"([^"\s]+)"|size mismatch for ([^\s:]+)')
"""Names in what torch says of a state dict that does not fit."""

Create = Callable[[str, dict[str, Any] | None], nn.Module]
"""Makes a network of timm with pretrained weights and without classifier, of its name as timm knows
it and of what to change in timm's description of the weights."""


def create(name: str, overlay: dict[str, Any] | None) -> nn.Module:
    """See `Create`: as timm does it."""
    network: nn.Module = timm.create_model(
        name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay
    )
    return network


@one_thread()
def load_backbone(name: str, checkpoint: Path | None, *, create: Create = create) -> nn.Module:
    """A network without classifier, in evaluation mode, at its native size, on the CPU.

    Raises:
        UnknownBackbone: timm has no network of that name.
        WeightsUnavailable: see `holotype.errors`.
    """
    if checkpoint is not None:
        name = as_timm_calls_it(name)
    if not name.startswith(ELSEWHERE):
        check_name(name)
    network = (
        _from_hub(name, create) if checkpoint is None else _from_file(name, checkpoint, create)
    )
    return network.eval().requires_grad_(requires_grad=False)


def check_name(name: str) -> None:
    """Raise `UnknownBackbone`, with the names nearest to it, unless timm knows the network."""
    architecture, tag = timm.models.split_model_name_tag(name)
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        raise UnknownBackbone(f"timm has no network {architecture!r}{_suggest(near)}")
    names = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in names:
        known = names or [architecture]
        raise UnknownBackbone(f"timm has no weights {tag!r} for {architecture}{_suggest(known)}")


def current_architecture(name: str) -> str | None:
    """`architecture_of`, of what timm makes today of a name that it used to have."""
    current = timm.models.get_deprecated_models().get(architecture_of(name) or "")
    return architecture_of(current or name)


@one_thread()
def set_image_size(network: nn.Module, size: int) -> None:
    """Make a network take size x size pixels, resampling position embeddings where it has them.

    Raises:
        UsageError: the network cannot take that size.
    """
    native = network_config(network)["input_size"][-1]
    if size == native:
        return
    patch = _patch_size(network)
    if patch and size % patch:
        low = size // patch * patch
        raise UsageError(
            f"image size {size} does not divide into patches of {patch} pixels: "
            f"use {f'{low} or ' if low else ''}{low + patch}"
        )
    fixed = network_config(network).get("fixed_input_size")
    resize = getattr(network, "set_input_size", None)
    if fixed and resize is None:
        raise UsageError(f"this backbone only takes {native} pixels: leave --image-size out")
    try:
        if fixed and resize is not None:
            resize(img_size=(size, size))
        if patch is None:
            # Windows and strides must divide as well, which only running it tells.
            _run_once(network, size)
    except (AssertionError, ValueError, RuntimeError) as error:
        raise UsageError(f"this backbone cannot take {size} pixels: {_short(error)}") from error


def network_config(network: nn.Module) -> dict[str, Any]:
    """What timm says of a network's weights: input size, mean, std and so on."""
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    return config


def _run_once(network: nn.Module, size: int) -> None:
    with torch.inference_mode():
        network.forward_features(torch.zeros(1, 3, size, size))  # type: ignore[operator]


def _patch_size(network: nn.Module) -> int | None:
    size = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    return int(size[0]) if isinstance(size, tuple) else size


def _suggest(names: list[str]) -> str:
    if not names:
        return ": `timm.list_models()` lists all"
    return f": did you mean {', '.join(names[:5])}?"


def _from_hub(name: str, create: Create) -> nn.Module:
    config = timm.get_pretrained_cfg(name)
    cached = hub.cached_weights(asdict(config)) if config else None
    overlay = {"file": str(cached)} if cached else None
    try:
        if not cached and not name.startswith(LOCAL):
            hub.check_it_answers()
        return create(name, overlay)
    except hub.failures() as error:
        raise WeightsUnavailable(
            f"the weights of {name} could not be fetched ({_short(error)}). Without network, "
            "fetch the weights file elsewhere and give it: --checkpoint FILE "
            "(or HOLOTYPE_CHECKPOINT), a .safetensors or .pth for this backbone"
        ) from error


class Given(StateDict):
    """Weights in a configuration that timm copies: the tensors in it are only read."""

    def __deepcopy__(self, _: object) -> Given:
        return Given(self)


def _from_file(name: str, path: Path, create: Create) -> nn.Module:
    state: StateDict | None = read_checkpoint(path)
    misfit: Exception | None = None
    while state is not None:
        try:
            network = _with_weights(name, state, create)
        except (RuntimeError, KeyError) as error:
            misfit, state = misfit or error, without_prefix(state)
        except hub.failures() as error:  # of a network that only the hub describes
            raise WeightsUnavailable(
                f"the hub could not be asked what network {name} is ({_short(error)}): beside a "
                "checkpoint, name it as timm does (`timm.list_models()` lists all)"
            ) from error
        else:
            # Or the file's tensors would stay in memory.
            network_config(network).pop("state_dict", None)
            return network
    raise WeightsUnavailable(
        f"checkpoint {path} does not fit backbone {name}: {_misfits(misfit)}. "
        "Name the backbone that the file was made for with --backbone"
    ) from misfit


def _with_weights(name: str, state: StateDict, create: Create) -> nn.Module:
    given = Given(state)
    for classifier in _classifiers(name):
        # No class of another label set is wanted; without them timm checks every other tensor.
        given.pop(f"{classifier}.weight", None)
        given.pop(f"{classifier}.bias", None)
    return create(name, {"state_dict": given, "num_classes": 0})


def _classifiers(name: str) -> tuple[str, ...]:
    config = timm.get_pretrained_cfg(name)
    named = getattr(config, "classifier", None) or ()
    return (named,) if isinstance(named, str) else tuple(named)


def _misfits(error: BaseException | None) -> str:
    """The first tensor that does not fit, and how many more: `--debug` lists them."""
    names = [quoted or named for quoted, named in _TENSORS.findall(str(error))]
    if not names:
        return _short(error)
    tensors = f"{len(names):,} tensors, such as" if names[1:] else "tensor"
    return f'{tensors} "{names[0]}", missing, left over or of another shape'


def _short(error: BaseException | None) -> str:
    """The telling part of a library's long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:3]) if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
