"""SQL lives in `.sql` files, each statement under a line `-- name: …`."""

from importlib import resources


def load(file: str) -> dict[str, str]:
    """The statements of `sql/<file>` by name."""
    text = resources.files("gatewatch.adapters.postgres").joinpath("sql", file).read_text("utf-8")
    statements: dict[str, str] = {}
    for part in text.split("-- name: ")[1:]:
        name, _, sql = part.partition("\n")
        statements[name.strip()] = sql.strip()
    return statements
