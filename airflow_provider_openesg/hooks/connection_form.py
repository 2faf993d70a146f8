"""The Connection form for Airflow before 3.2, which calls the hook for it. Later versions read the manifest.

Both use the same data: :data:`~airflow_provider_openesg.settings.FIELDS` and ``UI_FIELD_BEHAVIOUR`` of the manifest.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_openesg.get_provider_info import UI_FIELD_BEHAVIOUR
from airflow_provider_openesg.settings import FIELDS, ConnectionField


def connection_form_widgets() -> dict[str, Any]:
    """Return a WTForms field for each field of the Connection's ``extra``.

    :raises ImportError: if Airflow has no Flask UI (3.x), which does not call this function.
    """
    return {name: _widget(field) for name, field in FIELDS.items()}


def ui_field_behaviour() -> dict[str, Any]:
    """Return the hidden standard fields, the labels and the placeholders."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}


def _widget(field: ConnectionField) -> Any:
    # Imported here: Airflow 3 does not have these packages, and Airflow 2 imports hooks in every process.
    from flask_appbuilder.fieldwidgets import BS3TextAreaFieldWidget, BS3TextFieldWidget  # type: ignore[import-not-found]
    from wtforms import BooleanField, IntegerField, StringField  # type: ignore[import-untyped]
    from wtforms.validators import NumberRange, Optional, any_of  # type: ignore[import-untyped]

    if field.type == "boolean":
        return BooleanField(field.label, description=field.description, default=field.default)
    validators = [Optional()]
    if field.choices:
        validators.append(any_of(list(field.choices)))
    if field.type == "integer":
        validators.append(NumberRange(field.minimum, field.maximum))
    # Airflow 2 accepts only these field classes: no decimal field, no dropdown.
    field_class = IntegerField if field.type == "integer" else StringField
    return field_class(
        field.label,
        validators=validators,
        description=field.description,
        default=field.default,
        widget=BS3TextAreaFieldWidget() if field.multiline else BS3TextFieldWidget(),
    )
