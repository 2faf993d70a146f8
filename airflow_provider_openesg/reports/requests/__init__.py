"""Asking providers for reports: rows are read, checked, looked up and sent; nobody is asked twice. No Airflow here."""
