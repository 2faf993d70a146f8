"""Errors in the form of a shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.shapes.table import Shape


class RefusedError(Exception):
    """A request that gets an error.

    :param detail: text, or a list of errors with ``loc`` and ``msg``, as the assumed API has it under ``detail``.
    """

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def invalid(kind: str, location: list[str | int], message: str, **context: Any) -> RefusedError:
    """Return a 422 error of one field in the format of django-ninja."""
    error = {"type": kind, "loc": location, "msg": message} | ({"ctx": context} if context else {})
    return RefusedError(422, [error])


def shaped_error(shape: Shape, error: RefusedError) -> tuple[int, str, Any]:
    """Return status, content type and body of an error."""
    status, detail = error.status, error.detail
    text = "; ".join(f"{_field(each)}: {each['msg']}" for each in detail) if isinstance(detail, list) else str(detail)
    phrase = HTTPStatus(status).phrase
    if shape.errors == "problem":
        body = {"type": "about:blank", "title": phrase, "status": status, "detail": text}
        return status, "application/problem+json", body
    if shape.errors == "message":
        return status, "application/json", {"error": {"code": phrase.lower().replace(" ", "_"), "message": text}}
    if shape.errors == "drf" and isinstance(detail, list):
        fields: dict[str, list[str]] = {}
        for each in detail:
            fields.setdefault(_field(each), []).append(each["msg"])
        return 400, "application/json", fields
    return status, "application/json; charset=utf-8", {"detail": detail}


def _field(error: dict[str, Any]) -> str:
    return next((part for part in reversed(error["loc"]) if isinstance(part, str)), "non_field_errors")
