"""Listeners that the provider registers with Airflow."""
