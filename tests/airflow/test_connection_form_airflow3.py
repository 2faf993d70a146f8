"""The Connection form of Airflow 3 in a real browser: shown, filled, saved, tested, edited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from connection_form import ConnectionForm, ConnectionsPage
from packaging.version import Version
from playwright.sync_api import expect

from airflow_provider_openesg.settings import FIELDS, OpenESGSettings
from airflow_provider_openesg.version_compat import AIRFLOW

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.xdist_group("running-airflow")]

# Airflow's UI sends port 0 for a Connection without a port, and these versions compare it with the stored port.
CHECKS_THE_PORT = (Version("3.3.1"), Version("3.3.2"))
STANDARD_FIELDS = ["Description", "Base URL", "Client ID", "Client secret"]
# label: (widget, default as the form shows it)
EXTRA_FIELDS = {
    "Scope": ("text", ""),
    "Client authentication": ("dropdown", "header"),
    "OAuth2 endpoint": ("text", ""),
    "API path": ("text", "/api/v1"),
    "Timeout (s)": ("number", "30"),
    "Retry budget (s)": ("number", "300"),
    "Parallel requests": ("number", "4"),
    "Request rate limit": ("number", ""),
    "Page size": ("number", "100"),
    "Verify TLS": ("switch", "on"),
    "CA bundle": ("text", ""),
    "Proxies": ("text", ""),
    "API differences": ("text", ""),
    "Strict": ("switch", "off"),
}


def test_form_shows_every_field_with_its_label_and_widget(page: Page, airflow: RunningAirflow):
    form = ConnectionsPage(page, airflow.url).add("openesg_seen", "openESG")

    assert form.labels("Standard Fields") == STANDARD_FIELDS  # and neither Schema nor Port
    assert form.field("Base URL").get_attribute("placeholder") == "https://app.openesg.de"
    assert "client ID" in form.field("Client ID").get_attribute("placeholder")
    assert "client secret" in form.field("Client secret").get_attribute("placeholder")
    assert form.field("Client secret").get_attribute("type") == "password"

    assert form.labels("Extra Fields") == list(EXTRA_FIELDS)
    assert {label: (widget(form, label), shown(form, label)) for label in EXTRA_FIELDS} == EXTRA_FIELDS
    expect(form.dialog.get_by_text(FIELDS["verify_tls"].description)).to_be_visible()


def test_connection_is_saved_tested_and_edited(
    page: Page, airflow: RunningAirflow, platform: SandboxProcess, pictures: Path
):
    form = ConnectionsPage(page, airflow.url).add("openesg_form", "openESG")
    form.field("Base URL").fill(platform.base_url)
    form.field("Client ID").fill(platform.client_id)
    form.field("Client secret").fill(platform.client_secret)
    page.screenshot(path=pictures / "connection-form.png")
    form.open("Extra Fields")
    form.choose("Client authentication", "body")
    form.field("Timeout (s)").fill("45")
    form.field("Page size").fill("50")
    page.set_viewport_size({"width": 1280, "height": 2000})  # the complete section
    page.screenshot(path=pictures / "connection-form-extra.png")
    form.save()

    title, text = press_test(page, airflow, "openesg_form", pictures / "connection-test-ok.png")
    assert title == "Test Connection Successful"
    assert text.startswith(f"Connected to {platform.base_url} as {platform.client_id}")

    typed = OpenESGSettings.from_connection(
        host=platform.base_url,
        login=platform.client_id,
        password=platform.client_secret,
        extra={"client_auth": "body", "timeout": 45, "page_size": 50},
    )
    assert stored_settings(airflow, "openesg_form") == typed

    # Edited and saved, the UI writes all extra fields, nulls and defaults among them.
    form = ConnectionsPage(page, airflow.url).edit("openesg_form")
    form.open("Extra Fields")
    assert shown(form, "Client authentication") == "body"
    form.field("Page size").fill("60")
    form.save()
    edited = OpenESGSettings.from_connection(
        host=platform.base_url,
        login=platform.client_id,
        password=platform.client_secret,
        extra={"client_auth": "body", "timeout": 45, "page_size": 60},
    )
    assert stored_settings(airflow, "openesg_form") == edited
    assert press_test(page, airflow, "openesg_form")[0] == "Test Connection Successful"


@pytest.mark.skipif(AIRFLOW not in CHECKS_THE_PORT, reason="only these versions compare the port")
def test_connection_without_port_is_tested_on_the_command_line(
    page: Page, airflow: RunningAirflow, platform: SandboxProcess
):
    form = ConnectionsPage(page, airflow.url).add("openesg_no_port", "openESG")
    form.field("Base URL").fill(platform.base_url)
    form.field("Client ID").fill(platform.client_id)
    form.field("Client secret").fill(platform.client_secret)
    form.save()

    title, text = ConnectionsPage(page, airflow.url).test("openesg_no_port")
    assert (title, "Bad Request" in text) == ("Test Connection Failed", True), text
    assert "Connection success!" in airflow.command("connections", "test", "openesg_no_port")


def test_wrong_secret_error_says_what_to_check(
    page: Page, airflow: RunningAirflow, platform: SandboxProcess, pictures: Path
):
    form = ConnectionsPage(page, airflow.url).add("openesg_wrong", "openESG")
    form.field("Base URL").fill(platform.base_url)
    form.field("Client ID").fill(platform.client_id)
    form.field("Client secret").fill("not-the-secret-of-this-client")
    form.save()

    title, text = press_test(page, airflow, "openesg_wrong", pictures / "connection-test-wrong-secret.png")
    assert title == "Test Connection Failed"
    assert "Check Client ID and Client secret" in text
    assert platform.client_id in text
    assert "not-the-secret" not in text


def press_test(page: Page, airflow: RunningAirflow, connection_id: str, picture: Path | None = None) -> tuple[str, str]:
    if AIRFLOW in CHECKS_THE_PORT:  # the port of the Base URL is used, so this one changes nothing else
        body = {"connection_id": connection_id, "conn_type": "openesg", "port": 443}
        airflow.api("PATCH", f"/connections/{connection_id}", params={"update_mask": "port"}, json=body)
    page.set_viewport_size({"width": 1280, "height": 540})
    result = ConnectionsPage(page, airflow.url).test(connection_id)  # a new page, without the message of the save
    if picture:
        page.screenshot(path=picture)
    return result


def widget(form: ConnectionForm, label: str) -> str:
    field = form.field(label)
    if field.get_attribute("type") == "checkbox":
        return "switch"
    return {"combobox": "dropdown", "spinbutton": "number", None: "text"}[field.get_attribute("role")]


def shown(form: ConnectionForm, label: str) -> str:
    match widget(form, label):
        case "switch":
            return "on" if form.field(label).is_checked() else "off"
        case "dropdown":
            return form.chosen(label)
        case _:
            return form.field(label).input_value()


def stored_settings(airflow: RunningAirflow, connection_id: str) -> OpenESGSettings:
    output = airflow.command("connections", "get", connection_id, "--output", "json")
    (stored,) = json.loads(output.splitlines()[-1])  # the lines before it are log lines
    return OpenESGSettings.from_connection(
        host=stored["host"],
        login=stored["login"],
        password=stored["password"],
        extra=stored["extra_dejson"],
        port=stored["port"],
        schema=stored["schema"],
    )
