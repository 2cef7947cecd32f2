"""What `classify bundle` does, and what `classify query --bundle` begins with."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from holotype import console
from holotype.access import Access
from holotype.encoder import quick_start
from holotype.errors import OutputError, UsageError

if TYPE_CHECKING:
    from classify.bundle.opened import Bundle
    from holotype.encoder.timm_encoder import TimmEncoder
    from holotype.settings import Settings


def run_bundle(file: Path, settings: Settings, *, references: int, int8: bool = False) -> int:
    """`classify bundle`: write the file; returns the exit code.

    Args:
        file: replaced whole or not at all.
        settings: of the gallery and its encoder.
        references: of the sample, at most.
        int8: quantise the encoder, and measure what that costs.

    Raises:
        UsageError: the gallery holds vectors from elsewhere, or is open in a service; or ONNX is
            not installed.
        NoActiveHead, EmptyGallery: there is nothing to answer with.
        OutputError: the file cannot be written.
        EncoderError, StoreError, TooFewReferences: see `classify.bundle.build`.
    """
    _require("onnxruntime", "onnx")
    from holotype.settings import Device

    # torch's own encoder is exported, on a processor, and no earlier export of it.
    torch_on_cpu = settings.model_copy(update={"device": Device.CPU, "onnx": False})
    with Access(torch_on_cpu, command="classify bundle", load=quick_start.load_quickly) as access:
        if access.service is not None:
            raise UsageError(
                f"gallery {access.service.gallery!r} is open in the service at "
                f"{access.service.url}, and a bundle is made of its vectors: stop the service, "
                "make the bundle, and start it again"
            )
        access.require_same_encoder()
        from classify.bundle import build

        head = build.trained_head(access.store)
        console.say("exporting the encoder")
        exported = build.export(cast("TimmEncoder", access.encoder()))
        if int8:
            encoder = cast("TimmEncoder", access.encoder())
            exported = build.quantise(access.store, encoder, exported, say=console.say)
            console.say(f"int8: {exported.cost}")
        console.say("reading references and answering golden pictures")
        contents, thumbnails = build.gather(access.store, head, exported, at_most=references)
    try:
        build.write(file, contents, thumbnails)
    except OSError as error:
        raise OutputError(f"bundle {file}", error) from error
    sample = contents.sample
    console.say(
        f"{file}: {file.stat().st_size / 1e6:.1f} MB, gallery {sample.gallery!r} of "
        f"{len(contents.counts)} classes, {len(sample.references)} of {sample.total} references. "
        f"Try `python {file} IMAGE`"
    )
    return console.EXIT_DONE


def open_installed(file: Path) -> Bundle:
    """A bundle to be asked by the code that is installed: nothing in the file is run.

    Raises:
        BundleError: it cannot be read, or does not reproduce its golden answers.
        UsageError: ONNX Runtime is not installed.
    """
    _require("onnxruntime")
    from classify.bundle.opened import open_bundle

    return open_bundle(file)


def _require(*packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"a bundle needs {' and '.join(missing)}, which an extra brings: "
            "`pip install 'holotype[onnx]'`"
        )
