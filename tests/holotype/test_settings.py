"""Settings where homes, users and paths are not what they are on a developer's machine."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from holotype.errors import UsageError
from holotype.settings import Settings


def _nobody(_key: object) -> pwd.struct_passwd:
    raise KeyError("no such user")


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home and without a line in passwd, as containers have them."""
    for name in ("HOME", "HOLOTYPE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", _nobody)
    monkeypatch.setattr(pwd, "getpwnam", _nobody)


def test_paths__tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the environment, where no shell expands it, and from an option."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HOLOTYPE_HOME", "~/galleries")
    settings = Settings.load(checkpoint=Path("~/w.safetensors"))

    assert settings.home == tmp_path / "galleries"
    assert settings.checkpoint == tmp_path / "w.safetensors"


def test_paths__tilde_of_nobody(homeless: None) -> None:
    """Where there is no such home, the setting is named; no folder of that name is made."""
    with pytest.raises(UsageError, match=r"setting home .*no such user's home: write the whole"):
        Settings.load(home=Path("~stranger/galleries"))
    with pytest.raises(UsageError, match=r"setting checkpoint .*write the whole path"):
        Settings.load(home=Path("/somewhere"), checkpoint=Path("~/w.safetensors"))


def test_home__nobody_has_one(homeless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the remedy; with it, nothing else is missed."""
    with pytest.raises(UsageError, match=r"no home directory.*HOLOTYPE_HOME or --home"):
        Settings.load()
    monkeypatch.setenv("HOLOTYPE_HOME", "/somewhere")
    assert Settings.load().home == Path("/somewhere")
