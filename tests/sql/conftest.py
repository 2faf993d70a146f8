"""Fixtures of the tests of database loads."""

from arrow_batches import load_concurrently, make_run, pull, rows  # noqa: F401 - fixtures
