"""User agents into families, by uap-core's expressions and ua-parser's Rust resolver."""

from functools import lru_cache

from ua_parser import Domain, RegexResolver, load_builtins

from gatewatch.core.events import MAX_USER_AGENT, UserAgent

#: How many user agents are remembered.
CACHE_SIZE = 16_384


class UserAgents:
    """Parses user agents, cut to `MAX_USER_AGENT` characters first; remembers the latest ones.

    The expressions take 0.3 s to compile: make one per process.
    """

    def __init__(self, *, cache_size: int = CACHE_SIZE) -> None:
        if RegexResolver is None:  # without it ua-parser falls back to Python's re, fifty times slower
            raise RuntimeError("ua-parser-rs is missing: install gatewatch with its dependencies.")
        self._resolve = RegexResolver(load_builtins())
        self._cached = lru_cache(maxsize=cache_size)(self._parse)

    def parse(self, raw: str) -> UserAgent:
        """The families of a user agent; "" where uap-core knows none ("Other")."""
        return self._cached(raw[:MAX_USER_AGENT])

    def _parse(self, raw: str) -> UserAgent:
        found = self._resolve(raw, Domain.ALL)
        browser, os, device = found.user_agent, found.os, found.device
        return UserAgent(
            raw=raw,
            browser=_family(browser.family) if browser else "",
            browser_version=_version(browser.major, browser.minor) if browser else "",
            os=_family(os.family) if os else "",
            os_version=_version(os.major, os.minor) if os else "",
            device=_family(device.family) if device else "",
        )


def _family(name: str) -> str:
    return "" if name == "Other" else name


def _version(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)
