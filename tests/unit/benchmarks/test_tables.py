"""How figures are shown, and how they get into README.md."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.figures import Change, Figure, Machine, Report
from benchmarks.tables import BEGIN, END, closing, comparison, markdown, number, publish

REPORT = Report(
    1,
    False,
    Machine("a processor", 2, "3.11.7", "18.6", "on", 0.25, 0.9),
    (
        Figure("full_pipeline.ratio", 0.31, "times", "ratio", 0.29, 0.33, 5),
        Figure("sizes.profile_median", 1234.0, "bytes", "size", 1234.0, 1234.0, 1),
    ),
)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.3141, "0.314"), (31.41, "31.4"), (314.1, "314"), (31415.9, "31,416"), (0.0, "0")]
)
def test_numbers_show_what_means_something(value: float, shown: str) -> None:
    """Three digits, more only before the point."""
    assert number(value) == shown


def test_the_closing_table_names_the_machine_and_the_gates() -> None:
    """Given a figure with a gate and one without, then only the first says PASS."""
    first, _, ratio, size = closing(REPORT)
    assert "a processor, 2 cores, Python 3.11.7 (core: pure Python), PostgreSQL 18.6 (fsync on)" in first
    shown = "full_pipeline.ratio 0.31 times 0.29 … 0.33 PASS (≥ 0.25), goal 0.5 open"
    assert " ".join(ratio.split()) == shown
    assert size.split() == ["sizes.profile_median", "1,234", "bytes"]


def test_figures_of_before_are_those_of_pure_python() -> None:
    """Given a report that does not say how the core ran, as they were before it could be compiled, then it loads."""
    old = msgspec.to_builtins(REPORT)
    del old["machine"]["core"]
    assert msgspec.convert(old, Report) == REPORT
    assert REPORT.machine.core == "pure Python"


@pytest.mark.parametrize("id", ["import_memory.detector_mb", "lists.p95_ms"])
def test_a_quick_run_passes_no_gate_of_large_things(id: str) -> None:
    """Given a tenth of what the gate is about, then the figure is shown without a verdict."""
    peak = Figure(id, 200.0, "ms", "size", 200.0, 200.0, 1)
    figures = (peak,)
    quick, whole = (Report(1, quick, REPORT.machine, figures) for quick in (True, False))
    assert closing(quick)[-1].endswith("ms")
    assert "PASS" in closing(whole)[-1]


def test_the_comparison_shows_both_sides() -> None:
    """Base, head, factor and verdict stand in one line."""
    lines = comparison([Change("a.ratio", "times", 0.2, 0.4, 2.0, "better")])
    assert lines[1].split() == ["a.ratio", "0.2", "0.4", "times", "2.00", "better"]


def test_publishing_replaces_what_stands_between_the_marks(tmp_path: Path) -> None:
    """Given a README with old figures, when published, then only they change; publishing again changes nothing."""
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n", "utf-8")
    publish(readme, REPORT)
    once = readme.read_text("utf-8")
    publish(readme, REPORT)
    assert once == readme.read_text("utf-8") == f"above\n{BEGIN}\n{markdown(REPORT)}\n{END}\nbelow\n"


def test_a_page_may_show_some_of_the_figures(tmp_path: Path) -> None:
    """Given a page that is about sizes, when published, then it has no other figures."""
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n", "utf-8")
    publish(page, REPORT, only="sizes.")
    shown = page.read_text("utf-8")
    assert "`sizes.profile_median`" in shown
    assert "full_pipeline" not in shown


def test_a_readme_without_marks_is_refused(tmp_path: Path) -> None:
    """Figures are never written somewhere by guess."""
    readme = tmp_path / "README.md"
    readme.write_text("no marks\n", "utf-8")
    with pytest.raises(ValueError, match="no place for figures"):
        publish(readme, REPORT)
