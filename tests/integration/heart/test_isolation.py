"""Tenants are kept apart in the database too, and no application role writes around it."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from tests.builders import START, failure, login
from tests.integration.heart.rig import Heart

_TABLES = (
    *(
        "tenants",
        "login_events",
        "event_conflicts",
        "control_records",
        "dead_letters",
        "import_results",
        "profiles",
    ),
    *(
        "source_activity",
        "source_view",
        "review_queue",
        "value_counts",
        "value_sketches",
        "policies",
        "anomalies",
    ),
    *(
        "doubts",
        "outbox",
        "accounts",
        "sessions",
        "api_keys",
        "activity",
        "activity_values",
        "anomaly_statuses",
        "decisions",
    ),
)


@pytest.fixture
def app(heart: Heart) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The app's connection, which speaks for acme, on a database with two tenants."""
    for tenant in ("acme", "other"):
        events = [failure(START + i, tenant_id=tenant, event_id=f"{tenant}{i}") for i in range(12)]
        heart.take(*events, login(START, tenant_id=tenant, event_id=f"{tenant}-in"))
    with psycopg.connect(heart.conninfo) as connection:
        connection.execute("SET ROLE gatewatch_app")
        connection.execute("SET gatewatch.tenant = 'acme'")
        yield connection


@pytest.mark.postgres15
@pytest.mark.parametrize("table", _TABLES)
def test_another_tenant_is_invisible(
    heart: Heart, app: psycopg.Connection[tuple[object, ...]], table: str
) -> None:
    """The app sees the rows of the tenant it speaks for and no other's, in every table."""
    query = sql.SQL("SELECT DISTINCT tenant_id FROM {}").format(sql.Identifier(table))
    seen = {tenant for (tenant,) in app.execute(query).fetchall()}
    there = {tenant for (tenant,) in heart.rows(f"SELECT DISTINCT tenant_id FROM {table}")}
    assert seen == there & {"acme"}


def test_without_a_tenant_nothing_is_seen(app: psycopg.Connection[tuple[object, ...]]) -> None:
    """An app that forgot to say for whom it speaks sees nothing."""
    app.execute("RESET gatewatch.tenant")
    assert app.execute("SELECT count(*) FROM login_events").fetchone() == (0,)


@pytest.mark.parametrize("role", ["gatewatch_app", "gatewatch_worker"])
@pytest.mark.parametrize(
    "statement",
    [
        "COPY login_events_2026_03 FROM STDIN",
        "SELECT FROM login_events_2026_03",
        "DELETE FROM login_events_2026_03",
        "COPY event_log_gatewatch_logins_1 FROM STDIN",
        "INSERT INTO log_heads VALUES ('gatewatch.logins', 99, 0)",
        "DROP TABLE login_events",
    ],
)
def test_what_no_role_may_do(heart: Heart, role: str, statement: str) -> None:
    """Neither role reaches a leaf partition (its parent's policy would not hold there) or the log's own tables."""
    heart.take(login(START))
    with psycopg.connect(heart.conninfo) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.parametrize("table", ["login_events", "profiles", "anomalies", "partitions", "outbox"])
def test_the_app_changes_nothing(app: psycopg.Connection[tuple[object, ...]], table: str) -> None:
    """The app reads what detectors write and never writes it."""
    with pytest.raises(InsufficientPrivilege):
        app.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def test_functions_that_run_as_their_owner_look_for_temporary_tables_last(heart: Heart) -> None:
    """Nobody's temporary table stands in for ours: every such function's search path ends with pg_temp."""
    with psycopg.connect(heart.conninfo, autocommit=True) as connection:
        found = connection.execute(
            "SELECT proname, proconfig FROM pg_proc"
            " WHERE pronamespace = current_schema()::regnamespace AND prosecdef"
        ).fetchall()
    assert "log_append" in dict(found)
    wrong = [
        name
        for name, settings in found
        if not any(
            setting.startswith("search_path=") and setting.endswith("pg_temp") for setting in settings or []
        )
    ]
    assert wrong == []
