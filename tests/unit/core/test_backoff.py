"""How long to wait before the next attempt."""

import pytest

from gatewatch.core.backoff import backoff


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0.05), (1, 0.1), (5, 1.6), (6, 2.0), (1_000_000, 2.0)])
def test_a_wait_doubles_up_to_a_limit_however_often_it_fails(failures: int, seconds: float) -> None:
    """An outage may last: the millionth attempt waits as long as the tenth."""
    assert backoff(0.05, failures, 2.0) == pytest.approx(seconds)
