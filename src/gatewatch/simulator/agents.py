"""User agents as browsers send them, and how they change: releases come on their own days, families stay."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from gatewatch.core.events import UserAgent
from gatewatch.simulator.seeds import mix

#: Days since 1970 on which a known major version came out, and days between majors since.
_CHROME = (19_696, 120, 31.65)  # 120 on 2023-12-05
_FIREFOX = (19_682, 120, 28.8)  # 120 on 2023-11-21
_APPLE_FIRST_SEPTEMBER = 19_616  # 2023-09-16, major 17
_APPLE_MAJORS = (17, 18, 26, 27, 28, 29)

_MODELS = ("SM-S911B", "SM-A546B", "Pixel 8", "Pixel 9 Pro", "SM-S926B", "23127PN0CG", "CPH2581", "XT2347-1")
_BUILDS = ("UP1A.231005.007", "AP3A.240905.015", "BP1A.250305.019", "AP4A.250105.002", "BP2A.250605.031")


class Client(NamedTuple):
    """A kind of browser on a kind of device: `share` of its device's users have it.

    `render(day, variant)` gives its header; there are `models` variants that differ in more than the day.
    """

    name: str
    mobile: bool
    apple: bool
    share: float
    render: Callable[[int, int], str]
    models: int = 1


def _since(release: tuple[int, int, float], day: int) -> tuple[int, int]:
    """The major version on a day, and the whole weeks since it came out."""
    first, major, every = release
    count = max(-30, int((day - first) // every))
    return major + count, max(0, int(day - first - count * every) // 7)


def _chromium(day: int) -> tuple[int, str]:
    """Chromium's major and its full version; patches come weekly."""
    major, weeks = _since(_CHROME, day)
    return major, f"{major}.0.{6_099 + 61 * (major - 120)}.{28 + 37 * weeks}"


def _apple(day: int) -> tuple[int, int]:
    """Major and minor of Safari and iOS: a major each September, a minor every seven weeks."""
    year, days = divmod(max(0, day - _APPLE_FIRST_SEPTEMBER), 365)
    return _APPLE_MAJORS[min(year, len(_APPLE_MAJORS) - 1)], days // 49


def _chrome(platform: str) -> Callable[[int, int], str]:
    def render(day: int, _variant: int) -> str:
        return f"{_webkit(platform)} Chrome/{_chromium(day)[0]}.0.0.0 Safari/537.36"

    return render


def _edge(day: int, _variant: int) -> str:
    major, full = _chromium(day)
    chrome = f"Chrome/{major}.0.0.0 Safari/537.36"
    return f"{_webkit('Windows NT 10.0; Win64; x64')} {chrome} Edg/{full}"


def _firefox(platform: str) -> Callable[[int, int], str]:
    def render(day: int, _variant: int) -> str:
        major, _ = _since(_FIREFOX, day)
        return f"Mozilla/5.0 ({platform}; rv:{major}.0) Gecko/20100101 Firefox/{major}.0"

    return render


def _safari(day: int, _variant: int) -> str:
    major, minor = _apple(day)
    mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    return f"{mac} Version/{major}.{minor} Safari/605.1.15"


def _iphone(day: int) -> str:
    major, minor = _apple(day)
    system = f"{major}_{minor}" if major < 26 else "18_6"
    return (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    )


def _safari_ios(day: int, _variant: int) -> str:
    major, minor = _apple(day)
    return f"{_iphone(day)} Version/{major}.{minor} Mobile/15E148 Safari/604.1"


def _chrome_ios(day: int, _variant: int) -> str:
    return f"{_iphone(day)} CriOS/{_chromium(day)[1]} Mobile/15E148 Safari/604.1"


def _chrome_android(day: int, _variant: int) -> str:
    return f"{_webkit('Linux; Android 10; K')} Chrome/{_chromium(day)[0]}.0.0.0 Mobile Safari/537.36"


def _webview(day: int, variant: int) -> str:
    model, build = _MODELS[variant % len(_MODELS)], _BUILDS[variant // 8 % len(_BUILDS)]
    device = f"Linux; Android {14 + variant % 3}; {model} Build/{build}; wv"
    return f"{_webkit(device)} Version/4.0 Chrome/{_chromium(day)[1]} Mobile Safari/537.36"


def _samsung(day: int, _variant: int) -> str:
    browser = 23 + max(0, day - 19_600) // 130
    chrome = f"Chrome/{115 + 6 * (browser - 23)}.0.0.0"
    return f"{_webkit('Linux; Android 10; K')} SamsungBrowser/{browser}.0 {chrome} Mobile Safari/537.36"


def _webkit(platform: str) -> str:
    return f"Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko)"


_WINDOWS, _MAC, _LINUX = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
)

CLIENTS: tuple[Client, ...] = (
    Client("chrome-windows", False, False, 0.42, _chrome(_WINDOWS)),
    Client("edge-windows", False, False, 0.20, _edge),
    Client("chrome-mac", False, False, 0.11, _chrome(_MAC)),
    Client("safari-mac", False, True, 0.12, _safari),
    Client("firefox-windows", False, False, 0.06, _firefox(_WINDOWS)),
    Client("firefox-linux", False, False, 0.04, _firefox("X11; Ubuntu; Linux x86_64")),
    Client("chrome-linux", False, False, 0.05, _chrome(_LINUX)),
    Client("safari-ios", True, True, 0.30, _safari_ios),
    Client("chrome-ios", True, False, 0.14, _chrome_ios),
    Client("chrome-android", True, False, 0.22, _chrome_android),
    Client("webview-android", True, False, 0.26, _webview, 240),
    Client("samsung-android", True, False, 0.08, _samsung),
)

_DESKTOPS = tuple(index for index, client in enumerate(CLIENTS) if not client.mobile)
_PHONES = tuple(index for index, client in enumerate(CLIENTS) if client.mobile)


def choose_client(mobile: bool, u: float) -> int:
    """The index in `CLIENTS` for a uniform number, by share among desktops or phones."""
    pool = _PHONES if mobile else _DESKTOPS
    for index in pool:
        u -= CLIENTS[index].share
        if u < 0:
            return index
    return pool[-1]


def agent(client: int, variant: int, day: int) -> UserAgent:
    """What a browser sends on a day (days since 1970). `variant` picks phone model and update habit.

    Everybody updates on a day of their own: up to nine days after a release.
    """
    return _agent(client, variant % CLIENTS[client].models, day - mix(variant, client) % 10)


@lru_cache(maxsize=4_096)
def _agent(client: int, model: int, day: int) -> UserAgent:
    return UserAgent(raw=CLIENTS[client].render(day, model))
