"""Report requests: read rows, check them, look up existing requests, send the others. No Airflow import."""
