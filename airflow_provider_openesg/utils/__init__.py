"""Helpers that need Airflow: object storage paths, OpenLineage."""
