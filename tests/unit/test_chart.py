"""What the check of the Helm chart would find (the check itself is `python3 run.py helm`)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from scripts.chart import pod_faults

GOOD: dict[str, Any] = {
    "spec": {
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True},
                "containers": [
                    {
                        "name": "api",
                        "args": ["api", "--serve", "ingest"],
                        "env": [{"name": "DATABASE_URL_FILE", "value": "/run/url"}],
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "resources": {"limits": {"memory": "1Gi"}},
                    }
                ],
            }
        }
    }
}


def changed(key: str, value: object) -> dict[str, Any]:
    """The good pod with one thing of its container changed."""
    found = deepcopy(GOOD)
    found["spec"]["template"]["spec"]["containers"][0][key] = value
    return found


def test_a_pod_that_keeps_the_rules_passes() -> None:
    """Nothing is found; what is no pod is not looked at."""
    assert not list(pod_faults(GOOD))
    assert not list(pod_faults({"spec": {"replicas": 1}}))


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("args", ["detectors"], "detectors: detectors"),
        ("args", ["api", "--serves", "x"], "api --serves x: No such option: --serves"),
        ("env", [{"name": "GATEWATCH_KEY", "value": "x"}], "GATEWATCH_KEY is a secret in the manifest"),
        ("env", [{"name": "GATEWATCH_COLOUR", "value": "x"}], "GATEWATCH_COLOUR is no setting"),
        ("resources", {"limits": {}}, "its memory is not bounded"),
        ("securityContext", {"readOnlyRootFilesystem": True}, "it may more than it needs"),
    ],
)
def test_a_container_that_breaks_a_rule_is_named(key: str, value: object, found: str) -> None:
    """The container and the rule are told."""
    (fault,) = pod_faults(changed(key, value))
    assert fault.startswith(f"api: {found}")


def test_a_pod_that_may_run_as_root_or_has_a_token_is_named() -> None:
    """Each is a fault of its own."""
    pod = deepcopy(GOOD)
    pod["spec"]["template"]["spec"].update(securityContext={}, automountServiceAccountToken=True)
    assert list(pod_faults(pod)) == ["it has a token of Kubernetes", "it may run as root"]
