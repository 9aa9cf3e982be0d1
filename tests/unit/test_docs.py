"""The documentation is complete and its links lead somewhere."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer

from gatewatch.api.problems import KINDS
from gatewatch.api.table import ROUTES
from gatewatch.cli.app import app
from gatewatch.core.events import Flag, ReasonClass
from gatewatch.core.policy import Policy
from gatewatch.detectors import DETECTORS, DOUBTS, SOURCE_DETECTORS
from gatewatch.ingest.contract import IgnoreReason, RejectReason
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.services.decoding import REFUSED, UNDECODABLE
from gatewatch.settings import Settings
from scripts import metrics_page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^(?: {4}|\t).*$|```.*?```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: |$)", re.MULTILINE)
_REGISTRIES = re.compile(
    r"pypi\.|pythonhosted|npmjs|docker\.io|ghcr\.|quay\.|maven\.org|crates\.io|index-url|proxy\.golang"
)
_MACHINE_PATHS = re.compile(r"/(?:home|root|Users|work|tmp|private|workspace|mnt)/")


def missing(names: Iterable[str], page: str, form: str = "`{}`") -> list[str]:
    """The names that a page of the reference does not have in this form."""
    text = (REFERENCE / page).read_text("utf-8")
    return [name for name in names if form.format(name) not in text]


def commands(group: typer.Typer, before: str = "gatewatch") -> Iterator[str]:
    """Every command with the words that lead to it; hidden ones are nobody's business."""
    for command in group.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        if not command.hidden:
            yield f"{before} {name}"
    for child in group.registered_groups:
        if child.typer_instance is not None:
            yield from commands(child.typer_instance, f"{before} {child.name}")


def anchors(page: Path) -> set[str]:
    """The names of a page's headings as a link knows them."""
    headings = _HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_setting_is_documented() -> None:
    """The reference names each setting."""
    assert not missing(Settings.__struct_fields__, "settings.md", "| `{}` |")


def test_every_metric_is_documented() -> None:
    """The reference of metrics is what the list gives; `python -m scripts.metrics_page` makes it anew."""
    assert metrics_page.PAGE.read_text("utf-8") == metrics_page.page()


def test_every_command_is_documented() -> None:
    """The reference has a section for each command."""
    names = list(commands(app))
    assert "gatewatch import" in names
    assert "gatewatch policy set" in names
    assert not missing(names, "cli.md", "### {}\n")


@pytest.mark.parametrize("codes", [RejectReason, IgnoreReason], ids=["rejects", "ignored"])
def test_every_reason_is_documented(codes: object) -> None:
    """The reference explains why a record was rejected or ignored."""
    assert not missing(get_args(codes), "reason-codes.md", "| `{}` |")


def test_every_problem_is_documented() -> None:
    """The reference has each kind of problem with its status."""
    rows = [f"| `{code}` | {kind.status} |" for code, kind in KINDS.items()]
    assert not missing(rows, "api.md", "{}")


def test_every_route_is_documented() -> None:
    """The reference says of each route what it needs."""
    said = {row: needs if needs == "public" else f"`{needs}`" for row, needs in ROUTES.items()}
    assert not missing([f"| `{row}` | {needs} |" for row, needs in said.items()], "api.md", "{}")


def test_every_other_code_is_documented() -> None:
    """Flags, classes of failures and what the pipeline rejects by are explained as well."""
    codes = [*get_args(Flag), *get_args(ReasonClass), UNDECODABLE, REFUSED, "too_old"]
    assert not missing(codes, "reason-codes.md")


def test_every_detector_is_documented() -> None:
    """The reference has a section for each detector, and two where an id has two."""
    assert not missing([*DETECTORS, *DOUBTS, *SOURCE_DETECTORS], "detectors.md", "### {}\n")
    twice = DETECTORS.keys() & SOURCE_DETECTORS.keys()
    assert not missing(twice, "detectors.md", "### {} by a source\n")


def test_every_general_threshold_is_documented() -> None:
    """What the policy holds beside the detectors' settings is in the guide."""
    text = (DOCS / "howto" / "change-the-policy.md").read_text("utf-8")
    general = [name for name in Policy.__struct_fields__ if name not in {*DETECTORS, *SOURCE_DETECTORS}]
    assert not [name for name in general if name != "revision" and f"`{name}`" not in text]


def test_every_source_is_documented() -> None:
    """The reference has a section for each format."""
    assert not missing(ADAPTERS, "formats.md", "## {}\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file or a heading finds it."""
    text = _CODE.sub("", page.read_text("utf-8"))
    broken = []
    for link in _LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_is_reached() -> None:
    """Each page of the documentation can be found by links from its index."""
    seen, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in _LINK.findall(page.read_text("utf-8")):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and "://" not in link:
                waiting.append(target)
    assert not set(DOCS.rglob("*.md")) - seen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_merge_is_left_open_or_went_wrong(page: Path) -> None:
    """No page has marks of a conflict, and the rows of a table have as many cells as its head."""
    text = page.read_text("utf-8")
    assert not _CONFLICT.findall(text)
    for table in _TABLE.findall(text):
        head, *rows = table.splitlines()
        width = len(_CELL_END.findall(head))
        assert not [row for row in rows if len(_CELL_END.findall(row)) != width]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_of_the_machine_is_told(page: Path) -> None:
    """No page names the host of a package registry or a place on the machine it was written on."""
    text = page.read_text("utf-8")
    assert not _REGISTRIES.findall(text)
    assert not _MACHINE_PATHS.findall(text)


def test_the_readme_is_short_and_has_its_picture() -> None:
    """The README fits on a few screens, and its picture loads nothing from elsewhere."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 130
    picture = (DOCS / "images" / "demo.svg").read_text("utf-8")
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", picture)
