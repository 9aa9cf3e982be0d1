"""`compose.yaml` keeps its own rules; whether it runs is for Docker to show (docs/howto/compose.md)."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from gatewatch.health import CHECKS
from gatewatch.settings import IN_A_FILE, PREFIX, Settings
from tests.support.command_line import NoCommand, parse
from tests.support.servers import ROOT

TEXT = (ROOT / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GUIDE = (ROOT / "docs" / "howto" / "compose.md").read_text("utf-8")
#: `${NAME}` with what follows the name: a default (`:-`), a demand (`:?`) or nothing.
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[-?])?([^}]*)\}")
OURS = {name: service for name, service in SERVICES.items() if "GATEWATCH_IMAGE" in service["image"]}
SETTINGS = {PREFIX + name.upper() for name in Settings.__struct_fields__} | {"DATABASE_URL"}

each = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def is_job(service: dict[str, Any]) -> bool:
    """Whether a service does its work once and ends."""
    return bool(service["restart"] == "no")


def environment(service: dict[str, Any]) -> dict[str, str]:
    """A service's variables."""
    return {name: str(value) for name, value in service.get("environment", {}).items()}


@each
def test_nobody_may_more_than_is_needed(name: str) -> None:
    """No capability that is not named, no new privileges, no root file system to write on, bounded memory and
    processes, bounded logs.
    """
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", ())) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & service.keys()


@each_of_ours
def test_our_services_run_as_a_user_without_rights(name: str) -> None:
    """As whoever owns the secrets, never as root, without a capability, under an init that passes signals on."""
    service = OURS[name]
    assert service["user"].startswith("${GATEWATCH_UID:?")
    assert "cap_add" not in service
    assert service["init"] is True


@each
def test_what_goes_on_is_looked_after(name: str) -> None:
    """A service that goes on has a health check and comes back; a job ends once, and what needs it waits for that."""
    service = SERVICES[name]
    if not is_job(service):
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
        return
    waiting = [
        other["depends_on"][name]["condition"]
        for other in SERVICES.values()
        if name in other.get("depends_on", {})
    ]
    # Commands that people run by hand are waited for by them.
    assert set(waiting) == (
        {"service_completed_successfully"} if service.get("profiles") != ["cli"] else set()
    )


@each
def test_a_service_starts_when_what_it_needs_works(name: str) -> None:
    """Whatever a service depends on is healthy or done by then; nothing is merely started."""
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        done = "service_completed_successfully" if is_job(SERVICES[needed]) else "service_healthy"
        assert how == {"condition": done}


@each_of_ours
def test_health_is_asked_in_the_services_own_way(name: str) -> None:
    """The check is the one of `gatewatch.health` for the command that runs."""
    service = OURS[name]
    if not is_job(service):
        check = service["healthcheck"]["test"]
        assert check[:4] == ["CMD", "python", "-m", "gatewatch.health"]
        assert check[4] == service["command"][0]
        assert check[4] in CHECKS


@each_of_ours
def test_every_command_is_one(name: str) -> None:
    """What a container runs is a command of the command line, with options that it has."""
    words = [VARIABLE.sub(lambda found: found[3], word) for word in OURS[name]["command"]]
    if words == ["--help"]:
        return
    parse(words)


def test_a_command_that_is_none_would_be_found() -> None:
    """The test above can fail."""
    with pytest.raises(NoCommand):
        parse(["admin", "destroy"])
    with pytest.raises(typer.TyperException):
        parse(["api", "--serves", "ingest"])


@each_of_ours
def test_every_variable_is_a_setting(name: str) -> None:
    """Nothing is set that no setting reads."""
    names = {variable.removesuffix(IN_A_FILE) for variable in environment(OURS[name])}
    assert names <= SETTINGS


@each
def test_no_secret_is_written_down(name: str) -> None:
    """Whatever opens a door lies in a file that compose hands over, and each file is handed only to who reads it."""
    service = SERVICES[name]
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|DATABASE_URL|_KEY(_|$)")
    named = {key: value for key, value in environment(service).items() if secret.search(key)}
    assert all(key.removesuffix("__FILE").removesuffix(IN_A_FILE) != key for key in named), named
    assert not re.search(r"://[^/\s]*:[^/\s]*@", str(service))
    read = set(re.findall(r"/run/secrets/(\w+)", str(service)))
    assert read == set(service.get("secrets", ()))


def test_each_service_has_the_credential_it_needs() -> None:
    """The owner's URL is for jobs and the operator's commands; the API has its own, detectors and notifiers theirs."""
    who = {
        secret: {n for n, s in SERVICES.items() if secret in s.get("secrets", ())}
        for secret in COMPOSE["secrets"]
    }
    assert all(is_job(SERVICES[name]) for name in who["owner_url"])
    assert who["app_url"] - {"migrate"} == {"ingest", "decide", "app", "connector"}
    assert who["worker_url"] - {"migrate"} == {"detector", "notifier"}


def test_only_what_has_no_safe_default_is_demanded() -> None:
    """A variable without a default ends compose with what to do about it."""
    for name, how, rest in VARIABLE.findall(TEXT):
        assert how, f"{name} is silently empty"
        if how == ":?":
            assert rest == "run scripts/init-env first"


def test_every_variable_is_documented() -> None:
    """The guide has a row for each variable that can stand in `.env`."""
    names = {name for name, _, _ in VARIABLE.findall(TEXT)}
    assert not [name for name in sorted(names) if f"| `{name}` |" not in GUIDE]


def test_every_service_is_documented() -> None:
    """The guide says what each service does."""
    assert not [name for name in SERVICES if f"| `{name}` |" not in GUIDE]


def test_nothing_is_open_to_the_network_unasked() -> None:
    """Ports are published on loopback by default; the database and the log have none, on a network of their own."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() >= {"app", "ingest", "decide"}
    assert all(
        port.startswith("${GATEWATCH_BIND:-127.0.0.1}:") for ports in published.values() for port in ports
    )
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == ["data"]


def test_images_have_a_version() -> None:
    """No image is whatever is the latest."""
    assert all(":" in VARIABLE.sub(lambda found: found[3], s["image"]) for s in SERVICES.values())
    assert "latest" not in TEXT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with nothing but the script."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "init-env", tmp_path / "scripts")
    return tmp_path


def init_env(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    command = [str(checkout / "scripts" / "init-env"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(checkout: Path) -> dict[str, str]:
    """What the script wrote."""
    files = [checkout / ".env", *(checkout / "secrets").iterdir()]
    return {str(file.relative_to(checkout)): file.read_text() for file in files}


def test_init_env_makes_all_that_compose_needs(checkout: Path) -> None:
    """Every secret, each for its owner alone, and every variable that is demanded; no secret is shown."""
    done = init_env(checkout)
    assert done.returncode == 0, done.stderr
    found = contents(checkout)
    assert {file["file"].removeprefix("./") for file in COMPOSE["secrets"].values()} <= found.keys()
    for name, text in found.items():
        assert stat.S_IMODE((checkout / name).stat().st_mode) == 0o600
        assert name == ".env" or text.strip() not in done.stdout
    demanded = {name for name, how, _ in VARIABLE.findall(TEXT) if how == ":?"}
    assert demanded == set(re.findall(r"^(\w+)=[1-9]", found[".env"], re.MULTILINE))
    assert found["secrets/owner_password"].strip() in found["secrets/owner_url"]


def test_init_env_changes_nothing_that_is_there(checkout: Path) -> None:
    """A second run keeps every secret: the database would not know another one. Two checkouts share none."""
    init_env(checkout)
    before = contents(checkout)
    assert init_env(checkout, "--demo").returncode == 0
    assert contents(checkout) == before
    shutil.rmtree(checkout / "secrets")
    init_env(checkout)
    after = contents(checkout)
    assert not [name for name, text in before.items() if name != ".env" and after[name] == text]


def test_init_env_for_a_demo_starts_the_simulator(checkout: Path) -> None:
    """With `--demo` the profile is on and the simulator's places are known; anything else is wrong usage."""
    init_env(checkout, "--demo")
    text = (checkout / ".env").read_text()
    assert "COMPOSE_PROFILES=demo\n" in text
    assert "GATEWATCH_GEO_CITY=/opt/gatewatch/" in text
    assert init_env(checkout, "--help").returncode == 2
