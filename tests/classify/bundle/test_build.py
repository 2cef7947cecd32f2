"""What a bundle is made of, and what is refused with a remedy."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import holotype
from classify.bundle import sources
from classify.bundle.archive import BundleReader, BundleWriter
from classify.bundle.command import run_bundle
from classify.bundle.sample import per_class
from holotype.encoder import load_encoder
from holotype.encoder.exports import export_apart, export_path
from holotype.errors import BundleError, NoActiveHead, OutputError, UsageError
from holotype.settings import Device, Settings
from tests.classify.bundle.conftest import Made
from tests.classify.conftest import ColourGallery
from tests.running import running

POSIX_ONLY = {"fcntl", "grp", "pwd", "resource", "termios"}


def test_sources__import_three_packages_and_nothing_of_posix(tmp_path: Path) -> None:
    """What a bundle imports: its own modules, the standard library and the three packages."""
    code = f"import sys\nimport {sources.ENTRY}\nprint(*sorted(sys.modules))\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    imported = set(done.stdout.split())
    ours = {name for name in imported if name.partition(".")[0] in sources.OURS}
    assert ours == sources.closure().keys()
    assert (
        ours & {"holotype.settings", "holotype.console", "holotype.encoder.timm_encoder"} == set()
    )
    roots = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    others = {name for name in roots - set(sources.OURS) if not name.startswith("_")}
    assert others == {"numpy", "onnxruntime", "PIL"}
    assert POSIX_ONLY.isdisjoint(_imported_by_ours())


def _imported_by_ours() -> set[str]:
    return {
        name
        for file in sources.closure().values()
        for name in sources._imported(file.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize(
    ("counts", "at_most", "each"),
    [({"a": 5, "b": 5}, 100, 5), ({"a": 50, "b": 2, "c": 9}, 21, 10), ({"a": 3, "b": 3}, 1, 0)],
)
def test_per_class__is_even_and_leaves_room(
    counts: dict[str, int], at_most: int, each: int
) -> None:
    """Small classes give all they have; the others share what is left."""
    assert per_class(counts, at_most) == each


def test_bundle__without_a_head(own_gallery: ColourGallery, tmp_path: Path) -> None:
    """A gallery that was never trained is refused, before its encoder is loaded."""
    settings = Settings.load(home=own_gallery.home)
    with pytest.raises(NoActiveHead, match="run `retrain` first"):
        run_bundle(tmp_path / "x.holotype", settings, references=9)
    assert not list(tmp_path.glob("*.holotype"))


def test_bundle__of_vectors(tmp_path: Path) -> None:
    """A gallery whose vectors come from elsewhere has no encoder to seal."""
    with holotype.open("other", space="mine", home=tmp_path / "home") as gallery:
        gallery.add_vectors(np.eye(4, 8, dtype=np.float32), list("aabb"))
    with pytest.raises(UsageError, match="which no encoder here makes"):
        run_bundle(
            tmp_path / "x.holotype",
            Settings.load(home=tmp_path / "home", gallery="other"),
            references=9,
        )


def test_bundle__where_nothing_can_be_written(made: Made, tmp_path: Path) -> None:
    """What stands in the way is named, and nothing is left behind."""
    with pytest.raises(OutputError, match="cannot write bundle"):
        made.bundle(tmp_path / "nowhere" / "x.holotype")
    assert not list(tmp_path.iterdir())


def test_bundle__where_the_encoder_was_exported(made: Made, tmp_path: Path) -> None:
    """Torch's network is sealed, whatever this machine answers with."""
    settings = made.settings.model_copy(update={"onnx": True, "device": Device.CPU})
    fingerprint = load_encoder(settings).fingerprint
    own = Made(settings.model_copy(update={"home": tmp_path / "home"}), made.folder, made.queries)
    shutil.copytree(settings.home, own.settings.home)
    assert os.waitpid(export_apart(own.settings, fingerprint) or 0, 0)[1] == 0
    assert export_path(own.settings.home, fingerprint).exists()
    assert zipfile.is_zipfile(own.bundle(tmp_path / "x.holotype"))


def test_reader__refuses_pickles(tmp_path: Path) -> None:
    """An array of objects is not read: reading it would run code."""
    file = tmp_path / "x.holotype"
    with BundleWriter(file) as writer:
        data = io.BytesIO()
        np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        writer.add("arrays/evil.npy", data.getvalue())
    with BundleReader(file) as reader, pytest.raises(BundleError, match="no whole bundle"):
        reader.array("evil")


def test_reader__a_newer_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format of tomorrow is refused with what can be done today."""
    monkeypatch.setattr("classify.bundle.archive.FORMAT", 2)
    with BundleWriter(tmp_path / "x.holotype"):
        pass
    monkeypatch.undo()
    with pytest.raises(BundleError, match="is of format 2, and this version reads 1"):
        BundleReader(tmp_path / "x.holotype")


def test_reader__something_else(tmp_path: Path) -> None:
    """A file that is no zip, or none at all, is named."""
    (tmp_path / "x.png").write_bytes(b"no zip")
    with pytest.raises(BundleError, match="no whole bundle"):
        BundleReader(tmp_path / "x.png")
    with pytest.raises(BundleError, match="there is no bundle"):
        BundleReader(tmp_path / "y.holotype")


def test_bundle__through_a_service(gallery: ColourGallery, tmp_path: Path) -> None:
    """A gallery that a service owns is refused with the service's address and what to do."""
    with gallery.open() as store, running(store) as service:
        settings = Settings.load(home=gallery.home, server=service.url)
        with pytest.raises(UsageError, match="stop the service") as refused:
            run_bundle(tmp_path / "x.holotype", settings, references=9)
        assert service.url in str(refused.value)
