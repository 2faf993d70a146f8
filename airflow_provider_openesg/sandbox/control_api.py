"""The control API below ``/sandbox/``: counters, clock, faults, options. On loopback only, and not counted."""

# ninja reads annotations when it runs, and passes every view the request.
# ruff: noqa: ARG001, TC001, TC002

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import Any, Literal
from urllib.parse import urlsplit

from django.http import HttpRequest
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError
from pydantic import ConfigDict, Field

from airflow_provider_openesg.sandbox import oauth
from airflow_provider_openesg.sandbox.faults import Fault, Faults
from airflow_provider_openesg.sandbox.reports import iso, values_of
from airflow_provider_openesg.sandbox.request_log import Traffic
from airflow_provider_openesg.sandbox.state import World

Position = Literal["start", "middle", "end"]


class ClockTurn(Schema):
    """How far the clock is turned."""

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


class Revocation(Schema):
    """Whose tokens are revoked: all where both are null."""

    client_id: str | None = None
    token: str | None = None


class Client(Schema):
    """A client."""

    client_id: str


class Insertion(Schema):
    """Where a report is inserted, and how many seconds after its last change."""

    position: Position = "end"
    late: int = Field(0, ge=0)


class Removal(Schema):
    """Which report is removed."""

    report_id: int


class Withdrawal(Schema):
    """Which request is withdrawn."""

    request_id: int


class Trigger(Schema):
    """What happens once a list was asked for often enough."""

    action: Literal["insert", "remove"]
    path: str = "/api/v1/reports$"
    after: int = Field(1, ge=1)
    position: Position = "end"
    report_id: int | None = None


def check_local(request: HttpRequest) -> bool:
    """Let this machine in, by address and by the host name it used (a web page elsewhere cannot point its own here)."""
    host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    return _is_loopback(request.META["REMOTE_ADDR"]) and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def build_control(world: World, clients: oauth.Clients, faults: Faults, traffic: Traffic) -> NinjaAPI:
    """Return the control API."""
    control = NinjaAPI(title="openESG sandbox: control", auth=check_local, urls_namespace="sandbox")

    @control.get("state")
    def state(request: HttpRequest) -> dict[str, Any]:
        with world.lock:
            return {
                **traffic.report(),
                "now": iso(world.now),
                "options": asdict(world.options),
                "emails": world.outbox(),
                "faults": faults.report(),
                "reports": len(world.report_ids),
                "report_requests": len(world.request_ids),
                "organizations": len(world.organizations),
                "reports_made": world.made(),
            }

    @control.post("reset")
    def reset(request: HttpRequest) -> dict[str, Any]:
        faults.clear()
        world.reset()
        clients.reset()
        oauth.set_token_lifetime(world.options.token_lifetime)
        traffic.reset()
        return {"now": iso(world.now)}

    @control.post("clock")
    def clock(request: HttpRequest, body: ClockTurn) -> dict[str, Any]:
        clients.age(body.seconds)
        return {"now": world.turn_clock(body.seconds)}

    @control.post("options")
    def options(request: HttpRequest, body: OptionChange) -> dict[str, Any]:
        world.set_options(body.dict(exclude_unset=True))
        oauth.set_token_lifetime(world.options.token_lifetime)
        return asdict(world.options)

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
            raise HttpError(404, f"There is no client {body.client_id!r}.")
        return {"client_id": body.client_id, "client_secret": secret}

    @control.post("reports/insert")
    def insert(request: HttpRequest, body: Insertion) -> dict[str, Any]:
        return _shown(world, world.insert_report(body.position, body.late).id)

    @control.post("reports/remove")
    def remove(request: HttpRequest, body: Removal) -> dict[str, Any]:
        if not world.remove_report(body.report_id):
            raise HttpError(404, f"There is no report {body.report_id}.")
        return {}

    @control.post("requests/withdraw")
    def withdraw(request: HttpRequest, body: Withdrawal) -> dict[str, Any]:
        if not world.withdraw_request(body.request_id):
            raise HttpError(404, f"There is no request {body.request_id}.")
        return {}

    @control.post("triggers")
    def trigger(request: HttpRequest, body: Trigger) -> dict[str, Any]:
        def act() -> None:
            if body.action == "insert":
                world.insert_report(body.position)
            else:
                world.remove_report(body.report_id or _at(world.report_ids, body.position))

        traffic.add_trigger(body.path, body.after, act)
        return {}

    return control


def _at(ids: list[int], position: Position) -> int:
    return ids[{"start": 0, "middle": len(ids) // 2, "end": -1}[position]]


def _shown(world: World, report_id: int) -> dict[str, Any]:
    report = world.report(report_id)
    assert report is not None
    return report.record(world.now) | {"field_values": values_of(report, 100)}
