"""The compose files, the image and the schedules, without a container engine.

Everything that they name must exist: commands and their options, paths, ports, variables.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import ComposeSpecification
from pydantic import ValidationError

from classify.service.connections import GRACE_S

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "docker-compose.yml"
GPU = ROOT / "docker-compose.gpu.yml"


def _load(path: Path) -> dict[str, Any]:
    """A compose file without its extension fields, which hold only YAML anchors."""
    data = yaml.safe_load(path.read_text())
    return {key: value for key, value in data.items() if not key.startswith("x-")}


def _services() -> dict[str, Any]:
    return dict(_load(COMPOSE)["services"])


def _schedule_commands() -> Iterator[tuple[str, list[str]]]:
    """Every scheduled command line, with the file that holds it."""
    crontab = (ROOT / "deploy/crontab").read_text().splitlines()
    for line in crontab:
        if line and not line.startswith("#"):
            yield "crontab", shlex.split(line.split(maxsplit=5)[5])
    unit = _unit("holotype-retrain.service")
    yield "systemd", shlex.split(unit["Service"]["ExecStart"])
    (container,) = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    yield "kubernetes", container["command"]


def _unit(name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(ROOT / "deploy/systemd" / name)
    return parser


def _cronjob() -> dict[str, Any]:
    text = (ROOT / "deploy/kubernetes/retrain-cronjob.yaml").read_text()
    return dict(yaml.safe_load(text))


def _help(program: str, *subcommands: str) -> str:
    line = [sys.executable, "-m", {"retrain": "head"}.get(program, program), *subcommands, "--help"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", [COMPOSE, GPU], ids=lambda p: p.name)
def test_compose__follows_the_compose_schema(path: Path) -> None:
    """Both files are valid, unknown keys included."""
    ComposeSpecification.model_validate(_load(path), extra="forbid")


def test_compose__schema_check_can_fail() -> None:
    """A misspelt key is refused, so the test above means something."""
    data = _load(COMPOSE)
    data["services"]["qdrant"]["imagee"] = "x"
    with pytest.raises(ValidationError, match="imagee"):
        ComposeSpecification.model_validate(data, extra="forbid")


@pytest.mark.parametrize("name", ["classify", "ingest"])
def test_compose__commands_and_their_options_exist(name: str) -> None:
    """`classify serve` and `ingest watch` take every option that the file gives them."""
    program, subcommand, *arguments = _services()[name]["command"]
    shown = _help(program, subcommand)
    for option in (a for a in arguments if a.startswith("--")):
        assert option in shown


def test_compose__the_gpu_file_overrides_services_that_exist() -> None:
    """An override of a service that is not there would start a second, broken one."""
    assert set(_load(GPU)["services"]) <= set(_services())


def test_compose__every_required_variable_is_in_the_example() -> None:
    """A newcomer who copies .env.example is asked for exactly what the file needs."""
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    example = {line.partition("=")[0] for line in (ROOT / ".env.example").read_text().splitlines()}
    assert required
    assert required <= example


def test_compose__settings_exist() -> None:
    """Every HOLOTYPE_ variable of every service is a setting."""
    from holotype.settings import Settings

    names = {
        name
        for service in _services().values()
        for name in service["environment"]
        if name.startswith("HOLOTYPE_")
    }
    assert names
    assert {n.removeprefix("HOLOTYPE_").lower() for n in names} <= set(Settings.model_fields)


def test_compose__ports_and_health_check_agree() -> None:
    """The port served, published, exposed by the image and asked by the health check is one."""
    service = _services()["classify"]
    port = service["command"][service["command"].index("--port") + 1]
    assert service["ports"][0].endswith(f":{port}")
    assert f"127.0.0.1:{port}/readyz" in " ".join(service["healthcheck"]["test"])
    assert f"EXPOSE {port}" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", _services())
def test_compose__a_service_that_is_taken_over_can_do_little(name: str) -> None:
    """No capability, no way to gain one, nothing of its image to change; its time to end."""
    service = _services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert "privileged" not in service
    assert "cap_add" not in service


def test_compose__writes_only_into_volumes_and_tmp() -> None:
    """Every folder that a service is told to write to is one that it can write to."""
    image = (ROOT / "Dockerfile").read_text()
    for name in ("classify", "ingest", "retrain"):
        written = {v.split(":")[1] for v in _services()[name]["volumes"] if not v.endswith(":ro")}
        assert set(re.findall(r"HF_HOME=(\S+)", image)) <= written
    report = _services()["ingest"]["command"][-1]
    assert str(Path(report).parent) in {v.split(":")[1] for v in _services()["ingest"]["volumes"]}


def test_compose__the_port_is_on_this_machine_unless_told() -> None:
    """Only one service has a port at all, and a newcomer's is not reached from elsewhere."""
    ports = {name: service.get("ports", []) for name, service in _services().items()}
    (published,) = ports.pop("classify")
    assert published.startswith("${HOLOTYPE_LISTEN:-127.0.0.1}:")
    assert not any(ports.values())


def test_compose__ends_later_than_the_service_does() -> None:
    """A container is killed only after the time that the service takes for its clients."""
    given = int(_services()["classify"]["stop_grace_period"].removesuffix("s"))
    assert given > 2 * GRACE_S


def test_kubernetes__the_job_can_do_little_either() -> None:
    """As in the compose file."""
    pod = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [m["mountPath"] for m in container["volumeMounts"]] == ["/tmp"]


def test_compose__volumes_are_where_the_image_expects_them() -> None:
    """Weights and data are mounted on the folders that the image's environment names."""
    image = (ROOT / "Dockerfile").read_text()
    mounted = {v.split(":")[1] for v in _services()["classify"]["volumes"]}
    named = set(re.findall(r"(?:HF_HOME|HOLOTYPE_HOME)=(\S+)", image))
    assert named == mounted
    assert "/etc/holotype/crontab" in image
    assert "/etc/holotype/crontab" in _services()["retrain"]["command"]


def test_image__passes_the_linter() -> None:
    """Hadolint finds nothing in the Dockerfile."""
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_image__copies_only_what_exists() -> None:
    """Every COPY names files of this project."""
    sources = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert sources
    for name in " ".join(sources).split():
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("entry", list(_schedule_commands()), ids=lambda e: e[0])
def test_schedules__the_command_and_its_options_exist(entry: tuple[str, list[str]]) -> None:
    """Crontab, systemd and Kubernetes run the same job with options that it has."""
    _, line = entry
    assert Path(line[0]).name == "retrain"
    shown = _help("retrain")
    options = [a for a in line[1:] if a.startswith("--")]
    assert options == ["--if-needed", "--min-new", "--json"]
    for option in options:
        assert option in shown


def test_schedules__all_run_every_quarter_of_an_hour() -> None:
    """The three schedules say the same in their three notations."""
    line = (ROOT / "deploy/crontab").read_text().splitlines()[-1]
    assert line.startswith("*/15 * * * * ")
    assert _cronjob()["spec"]["schedule"] == "*/15 * * * *"
    assert _unit("holotype-retrain.timer")["Timer"]["OnCalendar"] == "*:0/15"
