"""The Helm chart, checked without a cluster: `python3 run.py helm`.

Each set of values in the chart's examples is linted, rendered for the oldest and the newest Kubernetes that are meant,
and every manifest is held against that version's own schemas (strictly: an unknown field is an error) and to the rules
that the services keep elsewhere too. Helm is built from its source with Go, where it is not there; the schemas come
inside the package `kubernetes-validate`.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCAL = ROOT / ".local"
CHART = ROOT / "deploy" / "helm" / "gatewatch"
SETS = sorted((CHART / "examples").glob("*.yaml"))
HELM = LOCAL / "bin" / "helm"
HELM_SOURCE = "helm.sh/helm/v3/cmd/helm@v3.22.0"
SCHEMAS = LOCAL / "kubernetes-schemas"
SCHEMAS_LOCK = ROOT / "requirements-helm.lock"
#: The oldest version that the chart says it runs on, and the newest whose schemas are at hand.
KUBERNETES = ("1.29.0", "1.37.0")

#: Runs a command with its time on screen (`run.step`).
Step = Callable[[str, Sequence[str], Mapping[str, str]], None]
Manifest = dict[str, Any]


class Unavailable(Exception):
    """The chart cannot be checked here; the message says what is missing."""


def provide(uv: str, uv_env: Mapping[str, str], step: Step) -> None:
    """Have Helm and the schemas. Raises `Unavailable`."""
    if not shutil.which("helm") and not HELM.is_file():
        go = shutil.which("go")
        if go is None:
            raise Unavailable("neither helm nor Go, which would build it, is on PATH")
        env = {**os.environ, "GOBIN": str(HELM.parent)}
        step("building Helm (two minutes)", [go, "install", HELM_SOURCE], env)
    stamp = SCHEMAS / ".stamp"
    if not stamp.is_file() or stamp.read_bytes() != SCHEMAS_LOCK.read_bytes():
        shutil.rmtree(SCHEMAS, ignore_errors=True)
        install = [
            uv,
            "pip",
            "install",
            "--target",
            str(SCHEMAS),
            "--require-hashes",
            "-r",
            str(SCHEMAS_LOCK),
        ]
        step("installing Kubernetes' schemas", install, uv_env)
        stamp.write_bytes(SCHEMAS_LOCK.read_bytes())


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm."""
    program = shutil.which("helm") or str(HELM)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def rendered(values: Sequence[str], version: str) -> list[Manifest]:
    """The manifests of the chart. Raises `ValueError` with what Helm says."""
    yaml = importlib.import_module("yaml")
    done = helm(
        "template", "gatewatch", str(CHART), "--namespace", "logins", "--kube-version", version, *values
    )
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def faults_of_set(file: Path) -> Iterator[str]:
    """What is wrong with a set of values."""
    done = helm("lint", "--strict", str(CHART), "--values", str(file))
    if done.returncode:
        yield done.stdout + done.stderr
        return
    for version in KUBERNETES:
        for manifest in rendered(["--values", str(file)], version):
            where = f"Kubernetes {version}: {manifest['kind']} {manifest['metadata']['name']}"
            yield from (f"{where}: {fault}" for fault in schema_faults(manifest, version))
            yield from (f"{where}: {fault}" for fault in pod_faults(manifest))


def schema_faults(manifest: Manifest, version: str) -> Iterator[str]:
    """What Kubernetes would not take."""
    validate = importlib.import_module("kubernetes_validate")
    try:
        validate.validate(manifest, version.rpartition(".")[0], strict=True)
    except (validate.ValidationError, validate.SchemaNotFoundError) as error:
        yield str(error.message)


def pod_faults(manifest: Manifest) -> Iterator[str]:
    """What the services' pods must be and are not."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec")
    if pod is None:
        return
    if pod.get("automountServiceAccountToken") is not False:
        yield "it has a token of Kubernetes"
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        yield "it may run as root"
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        yield from (f"{container['name']}: {fault}" for fault in container_faults(container))


def container_faults(container: Manifest) -> Iterator[str]:
    """What a container must be and is not."""
    security = container.get("securityContext", {})
    if (
        security.get("capabilities") != {"drop": ["ALL"]}
        or security.get("allowPrivilegeEscalation") is not False
    ):
        yield "it may more than it needs"
    if not security.get("readOnlyRootFilesystem"):
        yield "its root file system can be written on"
    if "memory" not in container.get("resources", {}).get("limits", {}):
        yield "its memory is not bounded"
    yield from variable_faults(container.get("env", ()))
    yield from command_faults(container["args"])


def variable_faults(variables: Sequence[Manifest]) -> Iterator[str]:
    """Variables that neither a setting nor OpenTelemetry reads, and secrets that are not in files."""
    settings = importlib.import_module("gatewatch.settings")
    known = {settings.PREFIX + name.upper() for name in settings.Settings.__struct_fields__} | {
        "DATABASE_URL"
    }
    for variable in variables:
        name, in_a_file = variable["name"], variable["name"].endswith(settings.IN_A_FILE)
        if name.removesuffix(settings.IN_A_FILE) not in known and not name.startswith("OTEL_"):
            yield f"{name} is no setting"
        if re.search(r"PASSWORD|SECRET|DATABASE_URL|_KEY$", name) and not in_a_file:
            yield f"{name} is a secret in the manifest"


def command_faults(words: Sequence[str]) -> Iterator[str]:
    """A command line that `gatewatch` does not take."""
    line = importlib.import_module("tests.support.command_line")
    typer = importlib.import_module("typer")
    try:
        line.parse(words)
    except (line.NoCommand, typer.TyperException) as error:
        yield f"{' '.join(words)}: {error}"


def refusals() -> Iterator[str]:
    """What the chart takes although it should not."""
    for why, values in {
        "a missing Secret": ["--values", str(CHART / "values.yaml")],
        "a misspelt value": ["--values", str(SETS[0]), "--set", "databse.port=1"],
        "a value of the wrong kind": ["--values", str(SETS[0]), "--set", "logLevel=loud"],
    }.items():
        try:
            rendered(values, KUBERNETES[-1])
        except ValueError:
            continue
        yield f"{why} is not refused"
    unknown = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"port": []}}
    if not list(schema_faults(unknown, KUBERNETES[-1])):
        yield "a manifest with an unknown field is not refused"


def main() -> int:
    """Check every set; returns the exit code."""
    failed = 0
    for file in SETS:
        faults = list(faults_of_set(file))
        failed += len(faults)
        manifests = len(rendered(["--values", str(file)], KUBERNETES[-1])) if not faults else 0
        good = f"{manifests} manifests hold for Kubernetes {' and '.join(KUBERNETES)}"
        print("\n".join([f"{file.stem}: {good if not faults else 'does not hold'}", *faults]))
    refused = list(refusals())
    print("\n".join(refused or ["what is missing or misspelt is refused"]))
    return 1 if failed or refused else 0


if __name__ == "__main__":
    sys.path.append(str(SCHEMAS))
    sys.exit(main())
