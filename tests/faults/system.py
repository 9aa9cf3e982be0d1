"""The database of a run: made, watched, changed midway and asked whether all is done."""

from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from gatewatch import bootstrap
from gatewatch.adapters.geo.build import build_mmdb
from gatewatch.adapters.postgres.commits import subject_hash
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from gatewatch.core import policy
from gatewatch.core.events import Asn, Geo
from gatewatch.core.policy import Policy
from gatewatch.ports import ANOMALIES, LOGINS, STATUSES
from gatewatch.services.reviews import POLICY
from gatewatch.simulator import network
from tests.faults.people import PASSWORD
from tests.faults.scenario import AFTER, ANONYMOUS, BEFORE, GARBAGE, POISON
from tests.faults.witnesses import PEOPLE

Row = tuple[Any, ...]

#: The policy that comes into force midway: more is found, nothing less, and windows stay as they are.
STRICTER = Policy(
    revision=1,
    mode="enforce",
    flag_score=35,
    credential_stuffing=msgspec.structs.replace(policy.DEFAULT.credential_stuffing, tries=20),
    password_spraying=msgspec.structs.replace(policy.DEFAULT.password_spraying, tries=12),
    account_enumeration=msgspec.structs.replace(policy.DEFAULT.account_enumeration, unknown=8),
    new_country=msgspec.structs.replace(policy.DEFAULT.new_country, history=2),
)

#: What watches: which source buckets were deleted, and where what has no id of its own came to lie on the log.
_WATCH = f"""
CREATE TABLE faults_deleted (
    tenant_id text, kind text, value text, part integer, bucket bigint,
    deleted_at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION faults_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO faults_deleted (tenant_id, kind, value, part, bucket)
    VALUES (OLD.tenant_id, OLD.kind, OLD.value, OLD.part, OLD.bucket);
    RETURN NULL;
END $$;
CREATE TRIGGER faults_deleted AFTER DELETE ON source_activity FOR EACH ROW EXECUTE FUNCTION faults_deleted();
CREATE TABLE faults_log (part integer, off bigint, key text, value bytea);
CREATE FUNCTION faults_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO faults_log VALUES (NEW.part, NEW.off, NEW.key, NEW.value);
    RETURN NULL;
END $$;
CREATE TRIGGER faults_log AFTER INSERT ON event_log FOR EACH ROW
    WHEN (NEW.key LIKE '%:{GARBAGE}' OR NEW.key LIKE '%:{ANONYMOUS}' OR NEW.key LIKE '%:{POISON}%')
    EXECUTE FUNCTION faults_log();
"""
#: The constraint that refuses a record; the months exist before it does, since new ones come without it.
_REFUSE = f"ALTER TABLE login_events ADD CONSTRAINT faults CHECK (user_key NOT LIKE '{POISON}%') NOT VALID"

#: One snapshot: is there nothing left to read, to review or to relay?
_LEFT = """
SELECT (SELECT sum(h.end_offset - p.next_offset) FROM log_heads h JOIN partitions p USING (topic, part)),
    (SELECT count(*) FROM review_queue),
    (SELECT sum(t.out_seq - coalesce(o.seq, 0))
     FROM (SELECT part, out_seq FROM partitions UNION ALL TABLE outbox_lanes) AS t
     LEFT JOIN outbox_positions o USING (part))
"""

#: What the stream tells a tenant of.
_STREAMED = """
SELECT (SELECT count(*) FROM login_events WHERE tenant_id = %s)
     + (SELECT count(*) FROM outbox WHERE tenant_id = %s AND topic = ANY(%s))
"""

_LIVE = "SELECT tenant_id, kind, value, min(bucket), max(bucket) FROM source_activity GROUP BY 1, 2, 3"
_QUEUE = """
INSERT INTO review_queue (tenant_id, kind, value, part, subject_hash, owner_part, upto, lo, hi)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, kind, value, part) DO UPDATE SET upto = excluded.upto, lo = excluded.lo, hi = excluded.hi
"""


class System:
    """A database on a server of our own, as its superuser sees it."""

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.conninfo = server.conninfo
        self.superuser = make_conninfo(server.superuser_conninfo, dbname="gatewatch")
        #: Of a program that may do everything a program may, by tenant.
        self.keys: dict[str, str] = {}

    @property
    def mmdb(self) -> Path:
        """The geo database."""
        return self.folder / "places.mmdb"

    def prepare(self) -> None:
        """The schema, the topic, what watches and what refuses, who gets in, and the geo database."""
        bootstrap.prepare(self.conninfo, BEFORE)
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            for month in (8, 9, 10, 11):
                connection.execute("SELECT create_event_partition(make_date(2026, %s, 1))", (month,))
            connection.execute(_WATCH.encode())
            connection.execute(_REFUSE.encode())
        self._let_in()
        build_mmdb(self.mmdb, network.networks())

    def _let_in(self) -> None:
        for tenant in ("default", "acme"):
            doing = bootstrap.administration(self.conninfo, tenant)
            self.keys[tenant] = doing.keys.create("faults", ("ingest", "decide", "read"), "faults", None)
            if tenant == "default":
                for name in PEOPLE:
                    doing.accounts.create_account(name, PASSWORD, ["read", "triage"])
            doing.close()

    def rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a query; a connection of its own, since servers crash here."""
        with psycopg.connect(self.superuser, autocommit=True, connect_timeout=5) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def left(self) -> tuple[int, int, int]:
        """(records to read, sources to review, messages to relay)."""
        ((lag, queue, unrelayed),) = self.rows(_LEFT)
        return int(lag), int(queue), int(unrelayed)

    def streamed(self, tenant: str) -> int:
        """How much there is that the stream tells a tenant of."""
        ((found,),) = self.rows(_STREAMED, (tenant, tenant, [ANOMALIES, STATUSES]))
        return int(found)

    # What changes midway -----------------------------------------------------------------------------------------

    def grow(self) -> None:
        """More partitions."""
        self.rows("SELECT grow_topic(%s, %s)", (LOGINS, AFTER))

    def change_policy(self) -> None:
        """The next revision, with all live sources queued for review: one transaction, no growth beside it."""
        with psycopg.connect(self.superuser, connect_timeout=5) as connection:
            ((partitions,),) = connection.execute(
                "SELECT partitions FROM topics WHERE topic = %s FOR SHARE", (LOGINS,)
            ).fetchall()
            tenants = connection.execute("SELECT tenant_id FROM tenants").fetchall()
            body = policy.encode(STRICTER).decode()
            for (tenant,) in tenants:
                connection.execute(
                    "INSERT INTO policies (tenant_id, revision, body, created_by) VALUES (%s, 1, %s, 'faults')",
                    (tenant, body),
                )
            rows = sorted(connection.execute(_LIVE).fetchall())
            with connection.cursor() as cursor:
                cursor.executemany(_QUEUE, [_queued(row, partitions) for row in rows])

    def move_places(self) -> None:
        """The geo database again, with every second network elsewhere."""
        moved = [
            (cidr, _moved(geo) if number % 2 else geo, asn)
            for number, (cidr, geo, asn) in enumerate(network.networks())
        ]
        build_mmdb(self.mmdb, _with_strangers(moved))


def _queued(row: Row, partitions: int) -> Row:
    key = (row[0], row[1], row[2])
    hash = subject_hash(key)
    return (*key, POLICY, hash, hash % partitions, 1, row[3], row[4])


def _moved(geo: Geo) -> Geo:
    lat, lon = geo.lat or 0.0, geo.lon or 0.0
    return msgspec.structs.replace(geo, country="NZ", city="Wellington", lat=-lat / 2, lon=lon / 2)


def _with_strangers(networks: list[tuple[str, Geo, Asn]]) -> list[tuple[str, Geo | None, Asn | None]]:
    stranger = Asn(65_000, "Example Stranger", "hosting")
    return [
        (cidr, geo, stranger if number % 5 == 0 else asn) for number, (cidr, geo, asn) in enumerate(networks)
    ]
