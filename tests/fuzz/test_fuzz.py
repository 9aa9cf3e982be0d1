"""The HTTP API against its OpenAPI document, short; by a fixed seed, so that the requests are the same each time."""

from tests.fuzz.__main__ import show
from tests.fuzz.run import run

SEED, EXAMPLES = 7, 2


def test_every_answer_is_as_documented(database: str) -> None:
    """With a key, with a session and as nobody: no 5xx, no answer that the document does not have, nobody let in."""
    rounds = run(database, SEED, EXAMPLES, brief=True)
    show(rounds)
    assert not [fault for found in rounds for fault in found.faults], (
        f"python3 run.py fuzz --seed {SEED} --examples {EXAMPLES}"
    )
    assert [found.caller.scheme for found in rounds] == ["key", "session", ""]
    assert all(found.tally.total() >= 50 for found in rounds)
