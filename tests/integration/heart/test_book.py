"""What is told of a log that lies elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg

from gatewatch.adapters.postgres.book import PostgresBook
from gatewatch.adapters.postgres.connection import Session
from gatewatch.log_ports import Head
from gatewatch.ports import LOGINS
from tests.integration.heart.rig import Heart

PARTS = range(64)
#: A row takes as long as on a machine with other things to do; statistics are there, as after a while they are.
_SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN new; END $$;
CREATE TRIGGER slow BEFORE UPDATE ON log_heads FOR EACH ROW EXECUTE FUNCTION slow();
ANALYZE log_heads
"""


def test_whoever_tells_waits_for_nobody_in_a_circle(heart: Heart) -> None:
    """Detectors and the notifier tell of the same partitions at the same time, each in an order of its own, and none
    is given up as a deadlock: a detector would drop all that it holds.
    """
    heart.rows("SELECT grow_topic(%(topic)s, 64)", topic=LOGINS)
    with psycopg.connect(heart.conninfo, autocommit=True) as owner:
        owner.execute(_SLOW)

    def tell(parts: list[int]) -> None:
        with closing(Session(heart.conninfo)) as session:
            book = PostgresBook(session, LOGINS)
            for n in range(10):
                book.tell({part: Head(n, None) for part in parts})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tell, [[*PARTS], [*reversed(PARTS)]]))
    assert heart.rows("SELECT DISTINCT end_offset::int FROM log_heads") == [(9,)]
