"""A small openESG platform for demos, tests and everybody without credentials.

``python -m airflow_provider_openesg.sandbox`` serves it, on the stack that the vendor's API shows signs of (Django,
django-oauth-toolkit, django-ninja). Needs the extra ``sandbox``.
"""
