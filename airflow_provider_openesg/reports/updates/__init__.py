"""Updates of reports: values are checked against the template and written if they differ. No Airflow import."""
