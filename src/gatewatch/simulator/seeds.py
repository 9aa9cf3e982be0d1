"""Randomness by name: every stream has a seed of its own, so that adding one never shifts another."""

from hashlib import blake2b
from random import Random
from struct import Struct

_SIXTEEN = Struct("<16I")
_SCALE = 1.0 / 2**32
_MASK = 0xFFFFFFFFFFFFFFFF

#: Sixteen numbers in [0, 1): what one thing (a user, a trip) is made from.
Draws = tuple[float, ...]


def derive(seed: int, *path: str | int) -> int:
    """A 64-bit seed for the stream called `path` below `seed`.

    >>> derive(1, "stuffing", 0) == derive(1, "stuffing", 0) != derive(1, "stuffing", 1)
    True
    """
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def stream(seed: int, *path: str | int) -> Random:
    """A generator of its own for the stream called `path` below `seed`."""
    return Random(derive(seed, *path))


def draws(seed: int, index: int) -> Draws:
    """Sixteen uniform numbers in [0, 1) for thing number `index`; far cheaper than a `Random` per thing."""
    numbers = _SIXTEEN.unpack(blake2b(b"%d/%d" % (seed, index)).digest())
    return tuple([number * _SCALE for number in numbers])


def mix(seed: int, a: int, b: int = 0) -> int:
    """64 well-mixed bits of three ints: what is fixed for a stretch of time, such as an address lease.

    The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    """
    z = (seed ^ (a + 1) * 0x9E3779B97F4A7C15 ^ (b + 1) * 0xC2B2AE3D27D4EB4F) & _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)
