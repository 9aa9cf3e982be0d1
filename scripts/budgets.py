"""Report how the code stands against its budgets; they are argued about, so exceeding one is no failure.

Functions: p95 <= 30 lines and none over 50, their docstrings not counted. Files: <= 400 lines.
Complexity (McCabe): <= 10. Public API: all of it typed and documented. Tests per code, in non-blank lines:
>= 1.3. Import cycles: none.

    python scripts/budgets.py [FOLDER]      the folder holds src/ and tests/; by default the checkout
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FUNCTION_P95, FUNCTION_MAX, FILE_MAX, COMPLEXITY_MAX, TESTS_PER_CODE = 30, 50, 400, 10, 1.3
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case, ast.comprehension)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file: where it lies, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def non_blank(self) -> int:
        """Lines that hold something."""
        return sum(1 for line in self.text.splitlines() if line.strip())


@dataclass(frozen=True)
class Finding:
    """One line of the report: what is measured, what it is, what it should be, and who exceeds it."""

    title: str
    value: str
    budget: str
    kept: bool
    offenders: tuple[str, ...] = ()

    def render(self) -> str:
        """Give the line as it is printed, offenders below it."""
        head = f"{'ok  ' if self.kept else 'over'}  {self.title:<34}{self.value:>8}  ({self.budget})"
        return "\n".join([head, *(f"        {offender}" for offender in self.offenders)])


def sources(folder: Path) -> list[Source]:
    """Read every Python file below a folder, in order of its path."""
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else []
    return [Source(path, text, ast.parse(text)) for path in paths for text in [path.read_text()]]


def functions(tree: ast.AST) -> Iterator[Function]:
    """Give every function of a tree, inner ones and methods included."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Count a function's lines from its first to its last, without its docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return whole
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def complexity(function: Function) -> int:
    """Count the ways through a function as ruff does: one, and one more for each branch."""
    return 1 + sum(isinstance(node, BRANCHES) for node in ast.walk(function))


def percentile(values: Sequence[int], share: float) -> int:
    """Give the smallest value that a share of all values does not exceed; 0 where there is none."""
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)] if ranked else 0


def public(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Give what a module offers: its functions and classes, and their methods, without an underscore."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    part for part in node.body if isinstance(part, Function) and not part.name.startswith("_")
                )


def hinted(function: Function) -> bool:
    """Tell whether every argument but self and cls, and the result, has its type."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [star for star in (arguments.vararg, arguments.kwarg) if star]
    open_ = [a for a in [*named, *starred] if a.annotation is None and a.arg not in {"self", "cls"}]
    return function.returns is not None and not open_


def imports(source: Source, module: str, known: set[str]) -> set[str]:
    """Name the modules of ours that a module imports when it is loaded."""
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner}
    return (found & known) - {module}


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Group the modules that reach themselves through what they import."""
    reach = {name: reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Give every module that can be reached from one, itself only over a cycle."""
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(graph[name])
    return seen


def module_name(path: Path, root: Path) -> str:
    """Give the dotted name of a file below its source root."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def function_findings(code: list[Source], root: Path) -> list[Finding]:
    """Measure length and complexity of every function."""
    every = [
        (f"{source.path.relative_to(root)}:{node.lineno} {node.name}", length(node), complexity(node))
        for source in code
        for node in functions(source.tree)
    ]
    lengths = [lines for _, lines, _ in every]
    p95, longest = percentile(lengths, 0.95), max(lengths, default=0)
    hardest = max((ways for _, _, ways in every), default=0)
    long = tuple(f"{place}: {lines} lines" for place, lines, _ in every if lines > FUNCTION_MAX)
    hard = tuple(f"{place}: {ways}" for place, _, ways in every if ways > COMPLEXITY_MAX)
    middle = percentile(lengths, 0.5)
    return [
        Finding("function lines, median", str(middle), "for information", kept=True),
        Finding("function lines, p95", str(p95), f"<= {FUNCTION_P95}", kept=p95 <= FUNCTION_P95),
        Finding("function lines, longest", str(longest), f"<= {FUNCTION_MAX}", kept=not long, offenders=long),
        Finding("complexity, highest", str(hardest), f"<= {COMPLEXITY_MAX}", kept=not hard, offenders=hard),
    ]


def api_findings(code: list[Source], root: Path) -> list[Finding]:
    """Measure how much of the public API is typed and documented."""
    offered = [(source, node) for source in code for node in public(source.tree)]

    def place(source: Source, node: Function | ast.ClassDef) -> str:
        return f"{source.path.relative_to(root)}:{node.lineno} {node.name}"

    untyped = tuple(place(s, n) for s, n in offered if not isinstance(n, ast.ClassDef) and not hinted(n))
    silent = tuple(place(s, n) for s, n in offered if ast.get_docstring(n) is None)
    total = max(1, len(offered))
    return [
        Finding(
            title, f"{100 * (total - len(missing)) // total}%", "100%", kept=not missing, offenders=missing
        )
        for title, missing in {"public API typed": untyped, "public API documented": silent}.items()
    ]


def file_findings(code: list[Source], tests: list[Source], root: Path) -> list[Finding]:
    """Measure files, the share of tests, and the cycles of imports."""
    longest = max((len(source.text.splitlines()) for source in code + tests), default=0)
    long = tuple(
        f"{source.path.relative_to(root)}: {lines} lines"
        for source in code + tests
        if (lines := len(source.text.splitlines())) > FILE_MAX
    )
    ratio = sum(s.non_blank for s in tests) / max(1, sum(s.non_blank for s in code))
    names = {module_name(source.path, root / "src"): source for source in code}
    rings = cycles({name: imports(source, name, set(names)) for name, source in names.items()})
    circles = tuple(" <-> ".join(ring) for ring in rings)
    return [
        Finding("file lines, longest", str(longest), f"<= {FILE_MAX}", kept=not long, offenders=long),
        Finding("tests per code", f"{ratio:.2f}", f">= {TESTS_PER_CODE}", kept=ratio >= TESTS_PER_CODE),
        Finding("import cycles", str(len(rings)), "none", kept=not rings, offenders=circles),
    ]


def report(root: Path) -> list[Finding]:
    """Measure a checkout."""
    code, tests = sources(root / "src"), sources(root / "tests")
    return [
        *function_findings(code, root),
        *file_findings(code, tests, root),
        *api_findings(code, root),
    ]


def main(argv: Sequence[str]) -> int:
    """Print the report of a folder."""
    root = Path(argv[0]).resolve() if argv else Path(__file__).resolve().parents[1]
    print("\n".join(finding.render() for finding in report(root)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
