"""The adapters by the name of their source."""

from gatewatch.ingest.contract import Adapter
from gatewatch.ingest.entra import EntraAdapter
from gatewatch.ingest.keycloak import KeycloakAdapter
from gatewatch.ingest.native import NativeAdapter
from gatewatch.ingest.seed import SeedAdapter
from gatewatch.ingest.sshd import SshdAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    "native": NativeAdapter,
    "seed": SeedAdapter,
    "sshd": SshdAdapter,
    "entra": EntraAdapter,
    "keycloak": KeycloakAdapter,
}
