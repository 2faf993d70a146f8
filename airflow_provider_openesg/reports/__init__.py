"""Reports on the platform: wait for them, request them, update them. No Airflow import."""
