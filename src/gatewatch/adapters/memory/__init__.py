"""Fakes that need nothing, for tests of whoever builds on the ports; held to the same contracts as the real ones."""
