"""The adapters by the name of their source."""

from gatewatch.ingest.contract import Adapter
from gatewatch.ingest.native import NativeAdapter
from gatewatch.ingest.seed import SeedAdapter
from gatewatch.ingest.sshd import SshdAdapter

ADAPTERS: dict[str, type[Adapter]] = {"native": NativeAdapter, "seed": SeedAdapter, "sshd": SshdAdapter}
