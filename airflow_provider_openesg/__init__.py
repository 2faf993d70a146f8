"""Apache Airflow provider for the openESG platform."""

__version__ = "0.1.0"
