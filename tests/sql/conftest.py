"""Fixtures of the tests of database loads."""

from arrow_batches import load_at_the_same_time, make_run, pull, rows  # noqa: F401 - fixtures
