"""Benchmarks: how well and how fast. Seeded, so that figures can be compared from commit to commit."""
