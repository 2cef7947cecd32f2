"""`make demo`: the main job on real images, by the real commands, one after the other."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from demo.cells import LATE_CLASS, Cells, prepare_cells
from demo.weights import lite0_checkpoint

FOLDER = Path(".demo")
DINOV2 = "vit_small_patch14_dinov2.lvd142m"


def main() -> None:
    """Prepare, then show."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve the page with the gallery")
    serve = parser.parse_args().serve
    started = time.monotonic()
    cells = prepare_cells(FOLDER / "cells")
    show = Show({"HOLOTYPE_HOME": str(FOLDER / "home"), **encoder_settings()})
    if serve:
        serve_gallery(show, cells)
    else:
        main_job(show, cells)
        say(f"That was the main job, in {time.monotonic() - started:.0f} s. Its gallery is in")
        say(f"{show.settings['HOLOTYPE_HOME']}; `make serve` opens its page.")


def main_job(show: Show, cells: Cells) -> None:
    """Ingest, query, add a class, query again, retrain, query linearly, evaluate."""
    shutil.rmtree(show.settings["HOLOTYPE_HOME"], ignore_errors=True)
    queries = sorted((cells.held_out / LATE_CLASS).iterdir())
    query = str(queries[0])
    show("Ingest three classes: a folder each.", "ingest", "add", cells.first)
    show(
        f"Classify a picture of a class that is not in yet: {LATE_CLASS}.",
        "classify", "query", query, "--mode", "knn",
    )  # fmt: skip
    show("Add that class. Nothing else is read again.", "ingest", "add", cells.late,
         "--label", LATE_CLASS)  # fmt: skip
    show("Adding it once more embeds nothing.", "ingest", "add", cells.late, "--label", LATE_CLASS)
    show("The same picture again: the new class is known at once.",
         "classify", "query", query, "--mode", "knn")  # fmt: skip
    show("Train a linear head from the stored vectors.", "retrain")
    show("Ask the head.", "classify", "query", query, "--mode", "linear")
    show("How good are they, alone and pooled, on the 100 pictures that were held out?",
         "classify", "eval", cells.held_out)  # fmt: skip


def serve_gallery(show: Show, cells: Cells) -> None:
    """Make sure that the demo gallery is there, then serve it until interrupted."""
    show("Ingest the gallery (what is in already is not read again).",
         "ingest", "add", cells.first)  # fmt: skip
    show("", "ingest", "add", cells.late, "--label", LATE_CLASS)
    show("Train a head, unless nothing changed.", "retrain", "--if-needed")
    show("Serve the page; Ctrl-C ends it. Queries in doubt are kept for its Review page.",
         "classify", "serve", "--keep-queries", 100)  # fmt: skip


class Show:
    """Prints a command and what it is for, then runs it with the demo's settings."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        say("Settings of every command below:")
        for name, value in settings.items():
            say(f"  export {name}={shlex.quote(value)}")

    def __call__(self, why: str, command: str, *arguments: object) -> None:
        """Run one command; a failure ends the demo."""
        line = [command, *map(str, arguments)]
        say(f"\n# {why}\n$ {shlex.join(line)}")
        program = Path(sys.executable).with_name(command)
        done = subprocess.run(
            [program, *line[1:]], env={**os.environ, **self.settings}, check=False
        )
        if done.returncode:
            raise SystemExit(f"the demo stops: {command} ended with {done.returncode}")


def encoder_settings() -> dict[str, str]:
    """DINOv2 where its weights can be had; EfficientNet-Lite0 from its package where not."""
    if dinov2_is_available():
        say("Backbone: DINOv2 ViT-S/14, at 224 px to be quick without a GPU (native: 518 px).")
        return {"HOLOTYPE_BACKBONE": DINOV2, "HOLOTYPE_IMAGE_SIZE": "224"}
    say("The Hugging Face hub cannot be reached, so DINOv2's weights cannot be fetched.")
    say("Backbone instead: EfficientNet-Lite0 (ImageNet), whose weights an installed package has.")
    return {
        "HOLOTYPE_BACKBONE": "tf_efficientnet_lite0",
        "HOLOTYPE_CHECKPOINT": str(lite0_checkpoint(FOLDER / "weights")),
    }


def dinov2_is_available() -> bool:
    """Whether this machine's cache has the default weights, or the hub answers at all."""
    from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache

    repository, file = f"timm/{DINOV2}", "model.safetensors"
    if isinstance(try_to_load_from_cache(repository, file), str):
        return True
    if constants.HF_HUB_OFFLINE:
        return False
    try:  # one short question: the hub's own client would retry for half a minute
        answer = httpx.head(hf_hub_url(repository, file), timeout=5)
    except httpx.TransportError:
        return False
    return not answer.is_error


def say(line: str) -> None:
    """Flushed, so that it stays in order with what the commands print."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
