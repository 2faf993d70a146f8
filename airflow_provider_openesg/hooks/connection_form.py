"""The Connection form for Airflow before 3.2, which asks the hook for it; later versions read the manifest.

Both are made from the same data (:data:`~airflow_provider_openesg.settings.FIELDS` and the manifest's
``UI_FIELD_BEHAVIOUR``), so that they cannot differ.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_openesg.get_provider_info import UI_FIELD_BEHAVIOUR
from airflow_provider_openesg.settings import FIELDS, ConnectionField


def connection_form_widgets() -> dict[str, Any]:
    """Return a WTForms field for each field of the Connection's ``extra``.

    :raises ImportError: where Airflow comes without its Flask UI (3.x), which never asks for this.
    """
    return {name: _widget(field) for name, field in FIELDS.items()}


def ui_field_behaviour() -> dict[str, Any]:
    """Return which standard fields are hidden, what they are called, and what stands in them while empty."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}


def _widget(field: ConnectionField) -> Any:
    # Airflow 3 has neither package, and Airflow 2 imports hooks in every process, with a form or without.
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found]
    from wtforms import BooleanField, IntegerField, StringField  # type: ignore[import-untyped]
    from wtforms.validators import NumberRange, Optional, any_of  # type: ignore[import-untyped]

    if field.type == "boolean":
        return BooleanField(field.label, description=field.description, default=field.default)
    validators = [Optional()]
    if field.choices:
        validators.append(any_of(list(field.choices)))
    if field.type == "integer":
        validators.append(NumberRange(field.minimum, field.maximum))
    # Airflow 2 takes no other classes of fields: neither a decimal one nor a dropdown.
    field_class = IntegerField if field.type == "integer" else StringField
    return field_class(
        field.label,
        validators=validators,
        description=field.description,
        default=field.default,
        widget=BS3TextFieldWidget(),
    )
