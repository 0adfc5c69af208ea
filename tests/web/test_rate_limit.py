"""How often something may happen for each key."""

import pytest

from gateway.web.rate_limit import RateLimiter


def test_burst_and_rate() -> None:
    """A burst at once, then one after each interval, and a full burst again after a long silence."""
    limiter = RateLimiter(burst=3, every_s=10, max_keys=10)
    assert [limiter.take("a", 100) for _ in range(4)] == [0, 0, 0, 10]
    assert limiter.take("a", 104) == pytest.approx(6)
    assert limiter.take("a", 110) == 0
    assert limiter.take("a", 110) == pytest.approx(10)
    assert [limiter.take("a", 1000) for _ in range(4)] == [0, 0, 0, 10]


def test_keys_are_strangers() -> None:
    """One key that has used its own up takes nothing from another."""
    limiter = RateLimiter(burst=1, every_s=10, max_keys=10)
    assert [limiter.take("a", 0), limiter.take("a", 0), limiter.take("b", 0)] == [0, 10, 0]


@pytest.mark.slow
def test_memory() -> None:
    """Of a million keys as many are known as may be, and one that goes on is among them."""
    limiter = RateLimiter(burst=1, every_s=1e9, max_keys=100)
    limiter.take("a", 0)
    for number in range(100_000):
        limiter.take(str(number), 0)
        assert limiter.take("a", 0) > 0
    assert len(limiter) == 100
