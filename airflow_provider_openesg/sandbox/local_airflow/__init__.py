"""A local Airflow with the sandbox, for `make demo` and `make airflow`. It needs a clone of the repository."""
