"""A gallery remembers its encoder: real weights, and commands that name none of it again."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import classify.cli
import ingest.cli
from classify.service.command import run as run_service
from demo.weights import BACKBONE
from holotype.encoder.backbone import current_architecture
from holotype.encoder.names import architecture_of
from holotype.errors import EncoderError, EncoderMismatch
from holotype.fingerprint import Fingerprint
from holotype.settings import Pooling, Settings
from holotype.store.factory import open_store
from tests.classify.conftest import ColourGallery, fill_with_colours
from tests.classify.conftest import picture as coloured
from tests.fakes import ColourEncoder
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.image_files import make_tree, picture
from tests.running import Running, running

PROGRAMS = {"ingest": ingest.cli.main, "classify": classify.cli.main}
NAME = BACKBONE.partition(".")[0]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Shell = Callable[..., Done]


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs a command in this process, which costs one import of torch, not many."""

    def run(program: str, *arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            PROGRAMS[program]()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capfd.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def checkpoint(tmp_path: Path, lite0_checkpoint: Path) -> Path:
    """A checkpoint file of this test's own."""
    return Path(shutil.copy(lite0_checkpoint, tmp_path / "weights.safetensors"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Pictures of two classes."""
    return make_tree(tmp_path / "images", {"bee": [1, 2], "wasp": [3, 4]})


@pytest.fixture
def query(tmp_path: Path) -> Path:
    """A picture that is not in the gallery, and shows what one of it does."""
    path = tmp_path / "query.png"
    path.write_bytes(picture(1, side=25))
    return path


@pytest.fixture
def make(shell: Shell, images: Path, checkpoint: Path) -> Callable[[], None]:
    """Makes the gallery, in the one shell in which anything is said of its encoder."""

    def add() -> None:
        told = ("--backbone", BACKBONE, "--checkpoint", checkpoint, "--image-size", 32)
        done = shell("ingest", "add", images, *told)
        assert done.code == 0, done.err

    return add


@pytest.fixture
def home(make: Callable[[], None], tmp_path: Path) -> Path:
    """The home of the made gallery."""
    make()
    return tmp_path / "home"


def test_a_new_shell__needs_to_say_nothing(
    shell: Shell, home: Path, images: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries, additions and evaluations use the gallery's encoder; what agrees may be said."""
    answered = shell("classify", "query", query, "--json")
    assert answered.code == 0, answered.err
    assert answered.lines[0]["label"] == "bee"
    make_tree(images, {"wasp": [5]})
    added = shell("ingest", "add", images, "--json")
    assert added.lines[-1]["summary"]["counts"]["added"] == 1, added.err
    assert shell("classify", "eval", images, "--json").code == 0
    make_tree(images, {"wasp": [6]})
    dry = shell("ingest", "add", images, "--dry-run", "--json")
    assert dry.lines[-1]["summary"]["counts"]["would_add"] == 1, dry.err
    monkeypatch.setenv("HOLOTYPE_BACKBONE", NAME)
    agreeing = shell("classify", "query", query, "--image-size", 32, "--pooling", "cls", "--json")
    nearest = [done.lines[0]["neighbours"][0] for done in (answered, agreeing)]
    assert nearest[0]["id"] == nearest[1]["id"]
    assert nearest[0]["similarity"] == nearest[1]["similarity"]


def test_commands__have_an_encoder_exported_that_they_loaded(
    shell: Shell,
    make: Callable[[], None],
    images: Path,
    query: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever needed it asks for an export of it, as the gallery knows it; nobody else does."""
    asked: list[tuple[Settings, Fingerprint]] = []
    monkeypatch.setattr(
        "holotype.gallery_encoder.export_apart", lambda *wanted: asked.append(wanted)
    )
    make()
    assert shell("ingest", "add", images).code == 0  # everything is in: no encoder was needed
    assert len(asked) == 1
    assert shell("classify", "query", query, "--debug").code == 0
    assert {(s.backbone, s.checkpoint, f.image_size) for s, f in asked} == {
        (BACKBONE, checkpoint, 32)
    }
    assert len(asked) == 2


def test_debug__says_what_runs_the_encoder(shell: Shell, home: Path, query: Path) -> None:
    """The reason is shown with --debug, on standard error; and only then."""
    line = "debug: the encoder is torch's: exports are switched off (HOLOTYPE_ONNX)\n"
    assert line in shell("classify", "query", query, "--debug").err
    assert "debug:" not in shell("classify", "query", query).err


def test_weights_that_were_moved__are_asked_for(
    shell: Shell, home: Path, checkpoint: Path, query: Path
) -> None:
    """The message names gallery, backbone, path and remedy, which works, and is remembered."""
    moved = checkpoint.rename(checkpoint.with_name("moved.safetensors"))
    done = shell("classify", "query", query)
    assert done.code == 1
    assert (
        f"error: gallery 'default' was made with {BACKBONE} (image size 32): its weights are not "
        f"at {checkpoint}: give --checkpoint FILE"
    ) in done.err
    # By its name alone a backbone has weights from the hub, which is not to be had here.
    asked = shell("classify", "query", query, "--backbone", BACKBONE)
    assert f"gallery 'default' was made with {BACKBONE} (image size 32): the weights" in asked.err
    assert "could not be fetched" in asked.err
    assert shell("classify", "query", query, "--checkpoint", moved).code == 0
    assert shell("classify", "query", query).code == 0


def test_weights_that_changed__are_refused(
    shell: Shell, home: Path, checkpoint: Path, query: Path
) -> None:
    """Where the weights were is a hint: what is there now is compared like anything else."""
    state = load_file(checkpoint)
    save_file({name: torch.zeros_like(tensor) for name, tensor in state.items()}, checkpoint)
    done = shell("classify", "query", query)
    assert done.code == 1
    assert "holds vectors of another embedding space (weights_sha256: stored" in done.err
    assert f"Its weights were at {checkpoint}, not these: give --checkpoint" in done.err


@pytest.mark.parametrize(
    "hint", ["{", "[]", '{"weights_sha256": "of others", "backbone": "x"}', None]
)
def test_a_hint_that_is_none__is_as_good_as_none(
    shell: Shell, home: Path, checkpoint: Path, query: Path, hint: str | None
) -> None:
    """Damaged, of other weights, or deleted: the checkpoint is said once more, and no backbone."""
    file = home / "default" / "encoder.json"
    if hint is None:
        file.unlink()
    else:
        file.write_text(hint)
    without = shell("classify", "query", query)
    assert f"gallery 'default' was made with {NAME} (image size 32): the weights" in without.err
    assert "--checkpoint FILE" in without.err
    assert shell("classify", "query", query, "--checkpoint", checkpoint).code == 0
    assert shell("classify", "query", query).code == 0


CONTRADICTIONS = [
    ("backbone", "resnet10t", f"backbone: stored '{NAME}', asked for 'resnet10t'"),
    ("image_size", "64", "image_size: stored 32, asked for 64"),
    ("pooling", "mean", "pooling: stored 'cls', asked for 'mean'"),
]


@pytest.mark.parametrize(("setting", "value", "said"), CONTRADICTIONS)
def test_what_contradicts_the_gallery__is_refused(
    shell: Shell,
    home: Path,
    images: Path,
    query: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    said: str,
) -> None:
    """Every command, the dry run and where nothing is new; both are named, nothing is loaded."""
    monkeypatch.setattr("holotype.encoder.build.build_encoder", pytest.fail)
    option = f"--{setting.replace('_', '-')}"
    commands: list[tuple[object, ...]] = [
        ("ingest", "add", images),
        ("ingest", "add", images, "--dry-run"),
        ("classify", "query", query),
        ("classify", "eval", images),
        ("classify", "eval", "--leave-one-out"),
    ]
    for command in commands:
        done = shell(*command, option, value)
        assert done.code == 1
        assert f"gallery 'default' holds vectors of another embedding space ({said})" in done.err
        assert f"leave {option} (HOLOTYPE_{setting.upper()}) out" in done.err
    monkeypatch.setenv(f"HOLOTYPE_{setting.upper()}", value)
    assert f"({said})" in shell("classify", "query", query).err
    assert shell("ingest", "classes").code == 0  # which embeds nothing
    with pytest.raises(EncoderMismatch):
        run_service(Settings.load(port=0))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Running]:
    """A service of a gallery of colours."""
    gallery = fill_with_colours(ColourGallery(tmp_path / "colours"))
    with gallery.open() as store, running(store) as service:
        yield service


def test_what_contradicts_the_service__is_refused(
    shell: Shell, serving: Running, images: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service would answer with its own encoder: the same words, and which service it is."""
    monkeypatch.setenv("HOLOTYPE_SERVER", serving.url)
    query.write_bytes(coloured("red", 50))
    agreeing = ("--image-size", 32, "--backbone", "colour", "--json")
    assert shell("classify", "query", query, *agreeing).lines[0]["label"] == "red"
    for command in (
        ("classify", "query", query),
        ("ingest", "add", images),
        ("ingest", "add", images, "--dry-run"),
    ):
        done = shell(*command, "--backbone", "resnet10t", "--image-size", 64)
        assert done.code == 1
        assert (
            f"gallery 'default' of the service at {serving.url} holds vectors of another embedding "
            "space (backbone: stored 'colour', asked for 'resnet10t'; image_size: stored 32, "
            "asked for 64): leave --backbone (HOLOTYPE_BACKBONE) and --image-size"
        ) in done.err


def test_on_a_server__the_gallery_knows_as_much(
    shell: Shell,
    make: Callable[[], None],
    qdrant_http: QdrantHttp,
    checkpoint: Path,
    query: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The path is remembered on this machine alone; one without a home of its own does without."""
    monkeypatch.setenv("HOLOTYPE_QDRANT_URL", qdrant_http.url)
    make()
    assert shell("classify", "query", query, "--json").lines[0]["label"] == "bee"
    refused = shell("classify", "query", query, "--image-size", 64)
    assert "(image_size: stored 32, asked for 64)" in refused.err
    monkeypatch.setenv("HOLOTYPE_HOME", str(query / "no folder"))
    elsewhere = shell("classify", "query", query)
    assert f"gallery 'default' was made with {NAME} (image size 32): the weights" in elsewhere.err
    told = shell("classify", "query", query, "--checkpoint", checkpoint, "--json")
    assert told.code == 0, told.err
    assert told.lines[0]["label"] == "bee"


def test_keeping__takes_no_notice_of_what_is_remembered(
    shell: Shell, home: Path, checkpoint: Path, query: Path, tmp_path: Path
) -> None:
    """A gallery is whole with it; a backup is of the gallery, and one restored asks for weights."""
    assert shell("ingest", "verify").code == 0
    assert shell("ingest", "backup", tmp_path / "backup").code == 0
    assert shell("ingest", "restore", tmp_path / "backup", "--gallery", "copy").code == 0
    asked = shell("classify", "query", query, "--gallery", "copy")
    assert f"gallery 'copy' was made with {NAME} (image size 32)" in asked.err
    assert shell("ingest", "restore", tmp_path / "backup", "--replace").code == 0
    assert shell("classify", "query", query).code == 0


def test_serve__takes_the_settings_of_its_gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read before the gallery is owned, and what was given stays."""
    settings = Settings.load(home=tmp_path, port=0, device="cpu")
    encoder = ColourEncoder(image_size=64)
    open_store(settings, fingerprint=encoder.fingerprint, command="test", create=True).close()
    seen: list[Settings] = []

    def load(settings: Settings) -> ColourEncoder:
        seen.append(settings)
        raise EncoderError("seen enough")

    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", load)
    monkeypatch.setattr("classify.service.linear_algebra.hold_to_one_thread", lambda: None)
    with pytest.raises(EncoderError, match="seen enough"):
        run_service(settings)
    assert (seen[0].backbone, seen[0].image_size, seen[0].pooling, seen[0].device) == (
        "colour",
        64,
        Pooling.MEAN,
        "cpu",
    )


def test_watch__loads_once_whether_the_gallery_was_there_or_not(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round that makes the gallery and those that find it use one encoder, as the gallery's."""
    inbox = make_tree(tmp_path / "inbox", {"bee": [1]})
    seen: list[Settings] = []
    rests: list[float] = []

    def load(settings: Settings) -> ColourEncoder:
        seen.append(settings)
        return ColourEncoder()

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        if len(rests) == 3:
            make_tree(inbox, {"bee": [2]})
        return len(rests) == 6

    monkeypatch.setattr("ingest.watch_command.load_quickly", load)
    monkeypatch.setattr("ingest.watch_command._rest", rest)
    first = shell("ingest", "watch", inbox)
    assert first.err.count("added: ") == 2, first.err
    assert [settings.backbone for settings in seen] == [Settings.load().backbone]
    rests.clear()
    make_tree(inbox, {"wasp": [3]})
    assert "added: " in shell("ingest", "watch", inbox).err
    assert seen[1].image_size == 32
    assert len(seen) == 2


def test_vectors_from_elsewhere__have_no_encoder(
    shell: Shell, images: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are refused with what the gallery holds, and no weights are looked for."""
    monkeypatch.setattr("holotype.encoder.build.build_encoder", pytest.fail)
    space = Fingerprint.of_space("my-encoder v3", 8)
    open_store(Settings.load(), fingerprint=space, command="test", create=True).close()
    for command in (
        ("classify", "query", query),
        ("classify", "eval", images),
        ("ingest", "add", images),
        ("ingest", "add", images, "--dry-run"),
    ):
        done = shell(*command)
        assert done.code == 2
        assert "gallery 'default' holds vectors of space 'my-encoder v3'" in done.err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (BACKBONE, NAME),
        (NAME, NAME),
        (f"hf-hub:timm/{BACKBONE}", NAME),
        (f"hf_hub:timm/{BACKBONE}@main", NAME),
        ("hf-hub:somebody/theirs", None),
        ("local-dir:theirs", None),
    ],
)
def test_architecture_of__every_spelling(name: str, expected: str | None) -> None:
    """What can be told from a name without timm."""
    assert architecture_of(name) == expected


def test_current_architecture__of_a_name_that_timm_used_to_have() -> None:
    """It is no contradiction to a gallery that was made under it."""
    assert current_architecture("tf_efficientnet_b0_ap") == "tf_efficientnet_b0"
    assert current_architecture(BACKBONE) == NAME
    assert current_architecture("hf-hub:somebody/theirs") is None
