"""Adapters: the ports carried out with real things, and with in-memory fakes for tests."""
