"""Filling a report: values are checked against its template, and written where they differ. No Airflow here."""
