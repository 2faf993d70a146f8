"""The control API below ``/sandbox/``: counters, clock, faults and options.

It is available on loopback only, and its requests are not counted.
"""

# django-ninja evaluates annotations at runtime and passes the request to every view.
# ruff: noqa: ARG001, TC001, TC002

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import Any, Literal
from urllib.parse import urlsplit

from django.http import HttpRequest
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError
from pydantic import ConfigDict, Field, field_validator

from airflow_provider_openesg.sandbox import oauth
from airflow_provider_openesg.sandbox.faults import Fault, Faults
from airflow_provider_openesg.sandbox.reports import iso, values_of
from airflow_provider_openesg.sandbox.request_log import RequestLog
from airflow_provider_openesg.sandbox.shapes.table import shape_of
from airflow_provider_openesg.sandbox.state import PlatformState

Position = Literal["start", "middle", "end"]


class ClockTurn(Schema):
    """Number of seconds by which the clock is advanced."""

    seconds: float = Field(ge=0, le=10**10)


class OptionChange(Schema):
    """Options to change; see :class:`airflow_provider_openesg.sandbox.state.Options`."""

    model_config = ConfigDict(extra="forbid")

    list_field_values: bool = True
    references: Literal["v1", "ids", "nested"] = "v1"
    envelope: Literal["items", "results", "bare"] = "items"
    order: Literal["id", "-id", "updated_at"] = "id"
    page_cap: int | None = Field(None, ge=1)
    organizations: bool = True
    unique_requests: bool = False
    updated_after: bool = False
    token_lifetime: int = Field(3600, ge=1)
    shape: list[str] = Field(default_factory=list)

    @field_validator("shape")
    @classmethod
    def _exists(cls, value: list[str]) -> list[str]:
        shape_of(value)
        return value


class Revocation(Schema):
    """Tokens to revoke: all tokens if both fields are null."""

    client_id: str | None = None
    token: str | None = None


class Client(Schema):
    """An OAuth 2.0 client."""

    client_id: str


class Insertion(Schema):
    """Position of the inserted report, and seconds between its last change and the insertion."""

    position: Position = "end"
    late: int = Field(0, ge=0)


class Removal(Schema):
    """The report to remove."""

    report_id: int


class Withdrawal(Schema):
    """The report request to withdraw."""

    report_request_id: int


class Trigger(Schema):
    """Action to run after a number of requests to a path."""

    action: Literal["insert", "remove"]
    path: str = "/api/v1/reports$"
    after: int = Field(1, ge=1)
    position: Position = "end"
    report_id: int | None = None


def check_local(request: HttpRequest) -> bool:
    """Return whether client address and ``Host`` header are loopback. The header check prevents DNS rebinding."""
    host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    return _is_loopback(request.META["REMOTE_ADDR"]) and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def build_control(platform: PlatformState, clients: oauth.Clients, faults: Faults, request_log: RequestLog) -> NinjaAPI:
    """Return the control API."""
    control = NinjaAPI(title="openESG sandbox: control", auth=check_local, urls_namespace="sandbox")

    @control.get("state")
    def state(request: HttpRequest) -> dict[str, Any]:
        with platform.lock:
            return {
                **request_log.report(),
                "now": iso(platform.now),
                "options": asdict(platform.options),
                "emails": platform.outbox(),
                "faults": faults.report(),
                "reports": len(platform.report_ids),
                "report_requests": len(platform.report_request_ids),
                "organizations": len(platform.organizations),
                "reports_made": platform.generated_count(),
            }

    @control.post("reset")
    def reset(request: HttpRequest) -> dict[str, Any]:
        faults.clear()
        platform.reset()
        clients.reset()
        oauth.set_token_lifetime(platform.options.token_lifetime)
        request_log.reset()
        return {"now": iso(platform.now)}

    @control.post("clock")
    def clock(request: HttpRequest, body: ClockTurn) -> dict[str, Any]:
        clients.age(body.seconds)
        return {"now": platform.turn_clock(body.seconds)}

    @control.post("options")
    def options(request: HttpRequest, body: OptionChange) -> dict[str, Any]:
        platform.set_options(body.dict(exclude_unset=True))
        oauth.set_token_lifetime(platform.options.token_lifetime)
        return asdict(platform.options)

    @control.post("faults")
    def add_fault(request: HttpRequest, body: Fault) -> dict[str, Any]:
        return {"id": faults.add(body)}

    @control.post("faults/clear")
    def clear_faults(request: HttpRequest) -> dict[str, Any]:
        faults.clear()
        return {}

    @control.post("tokens/revoke")
    def revoke(request: HttpRequest, body: Revocation) -> dict[str, Any]:
        return {"revoked": clients.revoke(body.client_id, body.token)}

    @control.post("clients/rotate")
    def rotate(request: HttpRequest, body: Client) -> dict[str, Any]:
        secret = clients.rotate(body.client_id)
        if secret is None:
            raise HttpError(404, f"Client {body.client_id!r} does not exist.")
        return {"client_id": body.client_id, "client_secret": secret}

    @control.post("reports/insert")
    def insert(request: HttpRequest, body: Insertion) -> dict[str, Any]:
        return _shown(platform, platform.insert_report(body.position, body.late).id)

    @control.post("reports/remove")
    def remove(request: HttpRequest, body: Removal) -> dict[str, Any]:
        if not platform.remove_report(body.report_id):
            raise HttpError(404, f"Report {body.report_id} does not exist.")
        return {}

    @control.post("requests/withdraw")
    def withdraw(request: HttpRequest, body: Withdrawal) -> dict[str, Any]:
        if not platform.withdraw_request(body.report_request_id):
            raise HttpError(404, f"Report request {body.report_request_id} does not exist.")
        return {}

    @control.post("triggers")
    def trigger(request: HttpRequest, body: Trigger) -> dict[str, Any]:
        def run() -> None:
            if body.action == "insert":
                platform.insert_report(body.position)
            else:
                platform.remove_report(body.report_id or _at(platform.report_ids, body.position))

        request_log.add_trigger(body.path, body.after, run)
        return {}

    return control


def _at(ids: list[int], position: Position) -> int:
    return ids[{"start": 0, "middle": len(ids) // 2, "end": -1}[position]]


def _shown(platform: PlatformState, report_id: int) -> dict[str, Any]:
    report = platform.report(report_id)
    assert report is not None
    return report.record(platform.now) | {"field_values": values_of(report, 100)}
