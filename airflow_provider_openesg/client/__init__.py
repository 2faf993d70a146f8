"""The openESG API over HTTP, without Airflow."""
