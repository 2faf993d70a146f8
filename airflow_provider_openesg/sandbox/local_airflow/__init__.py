"""A local Airflow with the sandbox: what `make demo` and `make airflow` start. Only for a clone of the repository."""
