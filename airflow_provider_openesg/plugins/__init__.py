"""The plugin that the provider registers with Airflow."""
