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

from demo.cells import KNOWN_CLASS, LATE_CLASS, Cells, prepare_cells
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
    """Add, train, ask: of a known class, of no cell, of a class that is added; evaluate."""
    shutil.rmtree(show.settings["HOLOTYPE_HOME"], ignore_errors=True)
    ask = ("classify", "query", "--mode", "auto", "--evidence", "2")
    known, late = (
        sorted((cells.held_out / label).iterdir())[::20]  # neighbours are of one panel
        for label in (KNOWN_CLASS, LATE_CLASS)
    )
    pictures = sum(1 for _ in cells.held_out.rglob("*.png"))
    show("Add three classes: a folder each.", "ingest", "add", cells.first)
    show("Train a head from the stored vectors; no picture is read again.", "retrain")
    show(
        f"Three pictures that were held out, of {KNOWN_CLASS}: each is named, with how sure that\n"
        "is and the nearest references that it rests on. A low score says: look yourself.",
        *(*ask, *known),
    )
    show("A photograph of something else is not named.", *ask, cells.stranger)
    show(
        f"Three cells of a class that is not in yet, {LATE_CLASS}. Strangers as near as these are\n"
        "taken for what they resemble: no score tells what a gallery has never seen.",
        *(*ask, *late),
    )
    add_it = ("ingest", "add", cells.late, "--label", LATE_CLASS)
    show("So add that class. Nothing else is read again.", *add_it)
    show("Once more: what is in is not embedded again.", *add_it)
    show("What cron does: a retrain, since references changed.", "retrain", "--if-needed")
    show("The same three.", *ask, *late)
    show(
        f"How good is all that, on the {pictures} pictures that were held out? Hard ones: a crack\n"
        "as fine as a hair decides. The intervals say what so few pictures can tell: modes whose\n"
        "intervals overlap much may be equally good.",
        *("classify", "eval", cells.held_out),
    )


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
        say("".join(f"\n# {part}" for part in why.splitlines()) + f"\n$ {shlex.join(line)}")
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
