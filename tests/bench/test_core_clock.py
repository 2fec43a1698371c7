"""The clock of a core, by a chain of steps."""

from bench import core_clock


def test_the_clock_is_that_of_a_processor() -> None:
    assert 0.3 < core_clock.ghz() < 8


def test_twice_the_steps_take_twice_the_time() -> None:
    """Nothing of the chain was compiled away."""
    few, many = (min(core_clock.chain_s(n) for _ in range(5)) for n in (1_000_000, 4_000_000))
    assert 2 < many / few < 8
