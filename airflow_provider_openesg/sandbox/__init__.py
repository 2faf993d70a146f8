"""A small openESG platform for demos, tests and users without credentials.

Start it with ``python -m airflow_provider_openesg.sandbox``. It uses the frameworks that the vendor's API
probably uses: Django, django-oauth-toolkit and django-ninja. It needs the extra ``sandbox``.
"""
