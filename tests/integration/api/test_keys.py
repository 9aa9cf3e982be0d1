"""Programs: API keys, what they may, and what the database lets the API see of them."""

from __future__ import annotations

import hmac
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from gatewatch import bootstrap
from gatewatch.access_ports import PERMISSIONS
from gatewatch.adapters.postgres.access import PostgresAccess
from gatewatch.adapters.postgres.tenancy import TenantPool
from gatewatch.api.app import build
from gatewatch.api.table import ROUTES
from gatewatch.services.access import KEY_CACHE_SECONDS, Keys
from gatewatch.settings import Settings
from tests.integration.api.conftest import Api, bearer, log_in
from tests.support.http import problem, served

NEEDING = sorted(row for row, needs in ROUTES.items() if needs != "public")


def asked(url: str, row: str, **more: Any) -> httpx.Response:
    """Call a row of the table."""
    method, path = row.split(" ")
    return httpx.request(method, url + path.replace("{", "").replace("}", ""), **more)


@pytest.mark.parametrize("row", NEEDING)
def test_every_route_needs_a_credential(url: str, row: str) -> None:
    """Each route of the table that is not public answers 401 without a credential and with a bad one."""
    for headers in (
        {},
        {"Authorization": "Bearer gwk_000000000000_" + "0" * 64},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Cookie": "gatewatch_session=" + "a" * 43},
    ):
        found = asked(url, row, headers=headers)
        assert problem(found)["code"] == "unauthenticated", headers
        assert found.headers["www-authenticate"] == "Bearer"


def test_nothing_else_is_public() -> None:
    """Without a credential there are the probes, the log-in and the web app's files."""
    assert ROUTES.keys() - NEEDING == {"GET /healthz", "GET /readyz", "POST /v1/session", "GET /{path:path}"}


@pytest.mark.parametrize("row", NEEDING)
def test_every_route_needs_its_permission(api: Api, url: str, row: str) -> None:
    """Each route refuses a key that may do everything but what the table asks for."""
    others = [permission for permission in PERMISSIONS if permission != ROUTES[row]]
    assert problem(asked(url, row, headers=bearer(api.key(*others))))["code"] == "forbidden"


def test_a_key_may_what_its_scopes_say(api: Api, url: str) -> None:
    """A key with the scope read reads; one without does not."""
    assert asked(url, "GET /openapi.json", headers=bearer(api.key("read"))).status_code == 200
    assert asked(url, "GET /openapi.json", headers=bearer(api.key("ingest"))).status_code == 403


@pytest.mark.parametrize(
    "key",
    ["gwk", "gwk__", "gwk_a_", "a_b_c", "gwk_a_b_c", "gwk_\xe9_\xff", "gwk_%s_x" % ("a" * 1_000), "'--"],
)
def test_what_is_no_key_is_nobody(url: str, key: str) -> None:
    """A text that is no key is 401 like an unknown one."""
    found = httpx.get(f"{url}/openapi.json", headers={b"Authorization": f"Bearer {key}".encode("latin-1")})
    assert problem(found)["code"] == "unauthenticated"


def test_a_key_with_another_secret_is_nobody(api: Api, url: str) -> None:
    """The prefix alone opens nothing, and one wrong character of the secret neither."""
    key = api.key("read")
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    for given in (wrong, key + "0", key[:-1], key.rpartition("_")[0] + "_"):
        assert asked(url, "GET /openapi.json", headers=bearer(given)).status_code == 401
    assert asked(url, "GET /openapi.json", headers=bearer(key)).status_code == 200


def test_a_credential_that_is_sent_counts_alone(api: Api, url: str) -> None:
    """A bad key beside a good cookie is 401: who sends a key means it."""
    api.account()
    with httpx.Client(base_url=url) as client:
        log_in(client)
        assert client.get("/openapi.json", headers=bearer("gwk_a_b")).status_code == 401


def test_a_revoked_key_is_out_within_five_seconds(api: Api) -> None:
    """A key is taken to be in force for five seconds after it was found to be, and not a moment longer."""
    now = [1_000.0]
    pool = TenantPool(lambda: api.conninfo, 2)
    keys = Keys(PostgresAccess(pool), lambda: now[0])
    key = api.key("read")
    found = keys.principal(key)
    assert found is not None
    assert (found.tenant, [*found.permissions]) == ("acme", ["read"])
    api.administer(lambda doing: doing.keys.revoke(key.split("_")[1]))
    now[0] += KEY_CACHE_SECONDS - 0.01
    assert keys.cached(key) == found
    now[0] += 0.01
    assert keys.cached(key) is None
    assert keys.principal(key) is None
    pool.close()


def test_a_key_ends_when_it_says(api: Api, url: str) -> None:
    """A key that has expired is nobody, and the cache never outlives it."""
    now = [1_000.0]
    pool = TenantPool(lambda: api.conninfo, 2)
    keys = Keys(PostgresAccess(pool), lambda: now[0])
    key = api.key("read", life=timedelta(seconds=2))
    assert keys.principal(key) is not None
    now[0] += 2.0
    assert keys.cached(key) is None
    pool.close()
    api.rows("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    assert asked(url, "GET /openapi.json", headers=bearer(key)).status_code == 401


def test_secrets_are_compared_in_constant_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look-up makes exactly one comparison of two digests in constant time, whether there is such a key or not."""
    compared = list[tuple[int, int]]()
    original = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return original(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    pool = TenantPool(lambda: api.conninfo, 2)
    keys = Keys(PostgresAccess(pool), lambda: 0.0)
    key = api.key("read")
    prefix = key.split("_")[1]
    for given in (key, f"gwk_{prefix}_{'0' * 64}", f"gwk_{'0' * 12}_{'0' * 64}"):
        keys.principal(given)
    assert compared == [(32, 32)] * 3
    pool.close()


def test_a_key_is_stored_as_a_hash_and_its_use_remembered(api: Api, url: str) -> None:
    """The secret stands nowhere; when the key was last used does, to a minute."""
    key = api.key("read")
    assert api.rows("SELECT last_used_at FROM api_keys") == [(None,)]
    asked(url, "GET /openapi.json", headers=bearer(key))
    ((used, stored),) = api.rows(
        "SELECT now() - last_used_at < interval '1 minute', api_keys::text FROM api_keys"
    )
    assert used
    assert key.split("_")[2] not in stored


# Tenants -------------------------------------------------------------------------------------------------------------


def test_the_tenant_is_the_credentials(api: Api, url: str) -> None:
    """Whose a session is decides the tenant; nothing that is sent does."""
    api.account("ada", "acme")
    api.account("eve", "other")
    with httpx.Client(base_url=url) as client:
        assert log_in(client, "eve").json()["tenant"] == "other"
        found = client.get("/v1/session", params={"tenant": "acme"}, headers={"X-Tenant": "acme"})
        assert found.json()["tenant"] == "other"


def test_an_operator_reaches_only_the_own_tenant(api: Api) -> None:
    """Keys and accounts of another tenant are neither listed, revoked nor reset; a name is one tenant's."""
    key = api.key("read", tenant="acme")
    api.account("ada", "acme")
    for work in (
        lambda doing: doing.keys.revoke(key.split("_")[1]),
        lambda doing: doing.accounts.reset_password("ada", "another long password"),
        lambda doing: doing.accounts.create_account("ADA", "another long password", ["read"]),
    ):
        with pytest.raises(Exception, match="there is"):
            api.administer(work, "other")
    assert api.rows("SELECT revoked_at FROM api_keys") == [(None,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password_hash FROM accounts",
        "SELECT * FROM accounts",
        "SELECT token_hash FROM sessions",
        "SELECT secret_hash FROM api_keys",
        "SELECT * FROM login_attempts",
        "UPDATE accounts SET permissions = '{admin}'",
        "INSERT INTO accounts VALUES ('acme', 'x', 'x', 'x', 'x', '{admin}')",
        "INSERT INTO sessions VALUES ('acme', 'x', 'x', 'x', now(), now(), now())",
        "UPDATE sessions SET expires_at = 'infinity'",
        "UPDATE api_keys SET scopes = '{admin}'",
        "DELETE FROM api_keys",
    ],
)
def test_the_app_may_only_what_it_must(api: Api, statement: str) -> None:
    """The role of the API sees no hash, makes no account, and gives nobody more than they have."""
    with psycopg.connect(api.conninfo) as connection:
        connection.execute("SET ROLE gatewatch_app")
        connection.execute("SET gatewatch.tenant = 'acme'")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.postgres15
def test_the_app_sees_one_tenants_keys_and_sessions(api: Api) -> None:
    """Row-level security holds for accounts, sessions and keys, for reading and for writing."""
    for tenant in ("acme", "other"):
        api.key("read", tenant=tenant)
        api.account(f"ada-{tenant}", tenant)
    api.rows(
        "INSERT INTO sessions (tenant_id, session_id, account_id, token_hash, expires_at)"
        " SELECT tenant_id, account_id, account_id, account_id::bytea, now() + interval '1 day' FROM accounts"
    )
    with psycopg.connect(api.conninfo) as connection:
        connection.execute("SET ROLE gatewatch_app")
        connection.execute("SET gatewatch.tenant = 'acme'")
        for table in ("accounts", "sessions", "api_keys"):
            seen = connection.execute(f"SELECT tenant_id FROM {table}".encode()).fetchall()
            assert seen == [("acme",)], table
        assert connection.execute("DELETE FROM sessions").rowcount == 1
        assert connection.execute("UPDATE api_keys SET revoked_at = now()").rowcount == 1
    assert api.rows("SELECT count(*) FROM sessions WHERE tenant_id = 'other'") == [(1,)]


def test_a_temporary_table_stands_in_for_none_of_ours(api: Api) -> None:
    """A function with its owner's rights looks at the real tables, whatever the caller made for itself."""
    with psycopg.connect(api.conninfo) as connection:
        connection.execute("SET ROLE gatewatch_app")
        connection.execute(
            "CREATE TEMP TABLE accounts AS SELECT 'acme' AS tenant_id, 'x' AS account_id, 'x' AS password_hash,"
            " 'x' AS login, NULL::timestamptz AS disabled_at"
        )
        assert connection.execute("SELECT * FROM access_account('x')").fetchall() == []


def test_the_first_account_is_made_once(api: Api) -> None:
    """Of several launchers at once one makes the account; a tenant whose name is taken elsewhere gets its own."""

    def launch(tenant: str) -> tuple[str, str] | None:
        doing = bootstrap.administration(api.conninfo, tenant)
        try:
            return doing.accounts.first_account("admin", tenant)
        finally:
            doing.close()

    with ThreadPoolExecutor(8) as pool:
        made = [found for found in pool.map(launch, ["acme"] * 8) if found is not None]
    assert [name for name, _ in made] == ["admin"]
    assert [found and found[0] for found in (launch("other"), launch("other"))] == ["admin@other", None]
    assert sorted(api.rows("SELECT tenant_id, login FROM accounts")) == [
        ("acme", "admin"),
        ("other", "admin@other"),
    ]


# The database away ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/openapi.json", {"Authorization": "Bearer gwk_000000000000_" + "0" * 64}),
        ("GET", "/v1/session", {"Cookie": "gatewatch_session=" + "a" * 43}),
        ("POST", "/v1/session", {}),
        ("GET", "/readyz", {}),
    ],
)
def test_a_credential_that_cannot_be_checked_is_not_wrong(
    api: Api, method: str, path: str, headers: dict[str, str]
) -> None:
    """Where the database is away nobody is told that their credential is invalid: 503, and when to come back."""
    away = make_conninfo(api.conninfo, host="127.0.0.1", port=1)
    with api.process(away) as url:
        body = {"name": "ada", "password": "x"} if method == "POST" else None
        found = httpx.request(method, url + path, headers=headers, json=body)
        assert httpx.get(f"{url}/healthz").status_code == 200
    assert problem(found)["code"] == "unavailable"
    assert int(found.headers["retry-after"]) > 0
    assert "127.0.0.1" not in found.text


def test_a_database_without_tables_is_not_ready(postgres_empty: str) -> None:
    """Before the migration nothing is answered but that."""
    with served(build(Settings(), bootstrap.serving(Settings(), postgres_empty))) as url:
        for path, headers in (("/readyz", {}), ("/openapi.json", bearer("gwk_0_0"))):
            assert problem(httpx.get(url + path, headers=headers))["code"] == "unavailable"


def test_connections_that_broke_are_replaced_all_at_once(api: Api, url: str) -> None:
    """After every backend was ended, at most one request fails; the next finds the database again."""
    api.account()
    headers = [bearer(api.key("read")) for _ in range(6)]
    assert {asked(url, "GET /openapi.json", headers=h).status_code for h in headers} == {200}
    with psycopg.connect(api.conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'gatewatch_app' AND datname = current_database()"
        )
    with httpx.Client(base_url=url) as client:
        statuses = [client.get("/readyz").status_code for _ in range(8)]
    assert statuses[1:] == [200] * 7


# Over HTTP -----------------------------------------------------------------------------------------------------------


def test_an_admin_issues_lists_and_revokes_keys(api: Api, browser: httpx.Client, url: str) -> None:
    """A key that an admin makes works at once, is shown once, listed without its secret, and ends when revoked."""
    made = browser.post("/v1/keys", json={"name": "portal", "scopes": ["read", "ingest"], "days": 90})
    assert made.status_code == 201
    key, prefix = made.json()["key"], made.json()["prefix"]
    assert asked(url, "GET /openapi.json", headers=bearer(key)).status_code == 200
    (listed,) = browser.get("/v1/keys").json()["keys"]
    assert (listed["prefix"], listed["scopes"]) == (prefix, ["ingest", "read"])
    assert listed["created_by"].startswith("account:")
    assert key.split("_")[2] not in str(listed)
    assert browser.delete(f"/v1/keys/{prefix}").status_code == 204
    assert browser.get("/v1/keys").json()["keys"][0]["revoked_at"]
    assert api.rows("SELECT expires_at > now() + interval '89 days' FROM api_keys") == [(True,)]


def test_an_admin_reaches_only_the_own_tenants_keys(api: Api, browser: httpx.Client) -> None:
    """Keys of another tenant are neither listed nor revoked: they are not there."""
    other = api.key("read", tenant="other").split("_")[1]
    assert browser.get("/v1/keys").json() == {"keys": []}
    for prefix in (other, "000000000000", "a%00b", "'--"):
        assert problem(browser.delete(f"/v1/keys/{prefix}"))["code"] == "not_found"
    assert api.rows("SELECT revoked_at FROM api_keys") == [(None,)]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": ["admin"]},
        {"name": "x", "scopes": []},
        {"name": "", "scopes": ["read"]},
        {"name": "a\0b", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "days": 0},
        {"name": "x", "scopes": ["read"], "days": 10**30},
        {"name": "x", "scopes": ["read"], "days": True},
        {"name": "x" * 101, "scopes": ["read"]},
    ],
)
def test_a_key_may_not_be_more_than_a_program(
    api: Api, browser: httpx.Client, body: dict[str, object]
) -> None:
    """A key cannot administer, and what is no key is the client's mistake."""
    assert problem(browser.post("/v1/keys", json=body))["code"] == "invalid"
    assert api.rows("SELECT count(*) FROM api_keys") == [(0,)]
