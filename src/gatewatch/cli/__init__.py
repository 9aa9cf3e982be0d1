"""The command line: thin commands over services; every error a user can cause is one plain line."""

from gatewatch.cli.app import main

__all__ = ["main"]
