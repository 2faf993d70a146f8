"""The Connections page of Airflow 3, as a person uses it, for the tests and the pictures of the docs."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def browser_page(chromium: str) -> Iterator[Page]:
    """Open an empty page in a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        yield page
        browser.close()


class ConnectionsPage:
    """*Admin → Connections*.

    :param page: of the browser.
    :param url: Airflow's.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(f"{url}/connections")

    def add(self, connection_id: str, connection_type: str) -> ConnectionForm:
        """Press *Add Connection* and choose the type."""
        self.page.get_by_role("button", name="Add Connection").click()
        form = ConnectionForm(self.page.get_by_role("dialog"))
        form.dialog.get_by_label("Connection ID").fill(connection_id)
        form.choose("Connection Type", connection_type)
        return form

    def edit(self, connection_id: str) -> ConnectionForm:
        """Press *Edit Connection* in the Connection's row."""
        self._row(connection_id).get_by_role("button", name="Edit Connection").click()
        form = ConnectionForm(self.page.get_by_role("dialog"))
        expect(form.dialog.get_by_label("Connection ID")).to_have_value(connection_id)
        return form

    def test(self, connection_id: str) -> tuple[str, str]:
        """Press *Test Connection* in the Connection's row and return title and text of the result."""
        self._row(connection_id).get_by_role("button", name="Test Connection").click()
        result = self.page.get_by_role("status").filter(has_text=re.compile("Test Connection (Successful|Failed)"))
        expect(result).to_be_visible(timeout=60_000)
        title, _, text = result.inner_text().partition("\n")
        return title, text

    def _row(self, connection_id: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=connection_id, exact=True))


class ConnectionForm:
    """The form of *Add Connection* and *Edit Connection*. Fields are named by their labels."""

    def __init__(self, dialog: Locator) -> None:
        self.dialog = dialog

    def open(self, section: str) -> None:
        """Unfold *Standard Fields* or *Extra Fields*, which folds the other."""
        header = self.dialog.get_by_role("button", name=section, exact=True)
        if header.get_attribute("aria-expanded") != "true":
            header.click()

    def field(self, label: str) -> Locator:
        """Return the input or switch of a label."""
        return self._group(label).locator("input, textarea").first

    def chosen(self, label: str) -> str:
        """Return what a dropdown shows."""
        return self._group(label).get_by_role("combobox").locator("xpath=../..").inner_text().strip()

    def labels(self, section: str) -> list[str]:
        """Return the labels of a section, from top to bottom."""
        self.open(section)
        fields = self.dialog.locator("[data-part=item]").filter(
            has=self.dialog.page.get_by_role("button", name=section, exact=True)
        )
        labels = fields.locator("label[data-part=label]")
        expect(labels.first).to_be_visible()
        return [label.strip() for label in labels.all_inner_texts()]

    def choose(self, label: str, option: str) -> None:
        """Choose from a dropdown by typing."""
        box = self.dialog.get_by_role("combobox", name=label)
        box.fill(option)
        self.dialog.page.get_by_role("option", name=option, exact=True).click()

    def save(self) -> None:
        """Press *Save* and wait until the form is closed."""
        self.dialog.get_by_role("button", name="Save").click()
        expect(self.dialog).to_be_hidden()

    def _group(self, label: str) -> Locator:
        return self.dialog.get_by_role("group").filter(has=self.dialog.page.get_by_text(label, exact=True))
