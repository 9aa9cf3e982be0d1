"""Benchmarks: how well and how fast. Seeded, so that figures can be compared from commit to commit."""

from scripts import compiled

compiled.drop_stale()  # whatever way they are started: figures are those of the sources as they are
