"""What users and networks are known by."""

from functools import lru_cache
from ipaddress import ip_network


def user_key(name: str, id: str, ip: str) -> str:
    """The key of a user within a tenant: the name trimmed and case-folded, else the id, else `@ip:<address>`."""
    return name.strip().casefold() or id.strip() or f"@ip:{ip}"


def prefix_of(ip: str) -> str:
    """The network an address is judged with: its /24 (IPv4) or its /64 (IPv6, what one customer has)."""
    if ":" in ip:
        return _prefix_of_v6(ip)
    return f"{ip.rpartition('.')[0]}.0/24" if ip else ""


@lru_cache(maxsize=16_384)
def _prefix_of_v6(ip: str) -> str:
    return str(ip_network(f"{ip}/64", strict=False))
