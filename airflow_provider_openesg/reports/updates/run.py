"""Update a report: read it, check all values, write those that differ, attach files, submit."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin

from airflow_provider_openesg import clock
from airflow_provider_openesg.api import REPORT_STATUSES, SUBMITTED_STATUSES
from airflow_provider_openesg.client.reading import quoted, record_path
from airflow_provider_openesg.client.source import read_template_ids, reference
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGError,
    OpenESGValuesLostError,
)
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.parameters import check_boolean, check_field_values, check_record_id
from airflow_provider_openesg.reports.updates.entries import SHOWN, Entry, check_entries
from airflow_provider_openesg.tables.sections import Sections
from airflow_provider_openesg.tables.template import parse_template
from airflow_provider_openesg.tables.value_format import UNIT, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.tables.template import TemplateField

log = logging.getLogger(__name__)

_SENT = ("id", "field_type", "instance_id", "value", "unit", "measurement", "comment")
"""Parts of a field value that are sent."""

LEARNED_FROM = 20
"""Reports whose values show the names that are sent, if the report has no values yet."""

MAX_ATTEMPTS = 3
"""Maximum number of attempts for one request whose responses are lost."""

FIELD_VALUES = "field_values"


class File(Protocol):
    """A file: a :class:`pathlib.Path`, or Airflow's ``ObjectStoragePath``."""

    @property
    def name(self) -> str:
        """Its name without directories."""

    def read_bytes(self) -> bytes:
        """Read it whole."""


@dataclass(slots=True)
class Update:
    """Result of an update.

    :param written: names of the fields whose values, measurements or comments were written.
    :param attached: names of the fields to which a file was attached.
    :param unchanged: number of fields that already had the given values.
    :param submitted: whether this update submitted the report.
    :param status: status of the report after the update.
    """

    report_id: str
    written: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    unchanged: int = 0
    submitted: bool = False
    status: str | None = None


def update_report(
    client: OpenESGClient,
    report_id: str | int,
    field_values: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    *,
    submit: bool = False,
    open_file: Callable[[Any], File] = Path,
) -> Update:
    """Write values to a report if they differ; see :func:`check_entries` for their form.

    :param submit: whether to submit the report afterwards, if it is not submitted yet.
    :param open_file: function that returns a file for the path of an attachment.
    :raises OpenESGConfigError: if values are invalid (all are named) or a file cannot be read; nothing was sent.
    :raises OpenESGApiError: if the platform rejects the values or does not respond.
    :raises OpenESGContractError: if the report does not contain the values afterwards.
    """
    check_boolean("submit", submit)
    check_field_values(field_values)
    return _Run(client, check_record_id("report_id", report_id)).run(field_values, submit=submit, open_file=open_file)


class _Run:
    def __init__(self, client: OpenESGClient, report_id: str) -> None:
        self._client = client
        self._report_id = report_id
        self._ids: dict[str, str] = {}
        self._read()

    def run(self, field_values: Any, *, submit: bool, open_file: Callable[[Any], File]) -> Update:
        """Carry out the update."""
        fields = self._fields()
        if not self._report[FIELD_VALUES]:  # the names of values are learned from other reports
            self._client.first_page("reports", LEARNED_FROM)
        own_units = "unit" in self._client.translator("reports").part(FIELD_VALUES).met
        entries = check_entries(field_values, fields, own_units=own_units)
        self._values = {self._place(value): value for value in self._report[FIELD_VALUES]}
        files = {entry.name: _content(entry, open_file) for entry in entries if entry.attachment is not None}
        done = Update(self._report_id)
        done.written = self._write(entries)
        for entry in entries:
            if entry.name in files and self._attach(entry, files[entry.name]):
                done.attached.append(entry.name)
        if submit and self._status not in REPORT_STATUSES:
            raise OpenESGContractError(
                f"Report {self._report_id}: its status {self._status!r:.60} is not known, so it may be submitted "
                "already. Values and files were sent, but it is not submitted. If the status means a known one, "
                + in_profile(f'[words.status] "{self._status!s:.60}" = "submitted"')
            )
        if submit and self._status not in SUBMITTED_STATUSES:
            done.submitted = self._submit()
        done.unchanged = len(entries) - len({*done.written, *done.attached})
        done.status = self._status
        log.info(
            "Report %s: %d values written, %d files attached, %d unchanged; status: %s",
            self._report_id,
            len(done.written),
            len(done.attached),
            done.unchanged,
            "now submitted" if done.submitted else done.status,
        )
        return done

    def _fields(self) -> dict[str, TemplateField]:
        """Return the fields of the report's template by key."""
        template = reference(self._report, "template")
        if template is None:
            raise OpenESGContractError(
                f"Report {self._report_id} has no template, so its values cannot be checked. If it has another name, "
                + in_profile('[names] report.template = "..."')
            )
        if not str(template).isdecimal():
            template = read_template_ids(self._client).get(str(template), [template])[0]
        ((_, sections),) = Sections(self._client).complete([(str(template), None)])
        fields: dict[str, TemplateField] = {}
        for field_ in parse_template(sections):
            if field_.key and fields.setdefault(field_.key, field_) is not field_:
                raise OpenESGContractError(
                    f"Template {template} has several field types with the key {field_.key!r}, so a value by this key "
                    "cannot be assigned to one of them. Ask the owner of the template to make the key unique."
                )
        self._ids = {field_.key: str(field_.id) for field_ in fields.values()}
        return fields

    def _read(self) -> None:
        self._report = self._client.with_details("reports", {"id": self._report_id})
        if "status" not in self._report:  # only the values were read, at a separate path
            self._report = self._client.get_record("reports", self._report_id) | self._report
        self._values = {self._place(value): value for value in self._report[FIELD_VALUES]}

    def _place(self, value: Mapping[str, Any]) -> tuple[str, str | None]:
        """Return field type and instance of a value, which may name its field type by id or by key."""
        instance, field_type = value.get("instance_id"), str(reference(value, "field_type"))
        return self._ids.get(field_type, field_type), None if instance is None else str(instance)

    @property
    def _has_comma(self) -> bool:
        """Whether the numbers of the report have a decimal comma."""
        texts = (value.get("value") for value in self._values.values())
        return any(isinstance(text, str) and re.fullmatch(r"-?[0-9.]*[0-9],[0-9]+", text) for text in texts)

    @property
    def _status(self) -> str | None:
        return self._report.get("status")

    def _write(self, entries: Sequence[Entry]) -> list[str]:
        changes = self._changes(entries)
        if not changes:
            return []
        log.info("Report %s: %d of %d fields differ", self._report_id, len(changes), len(entries))

        def patch() -> None:
            differing = self._changes(entries)
            path = record_path(self._client.api, "reports", self._report_id)
            try:
                self._client.request("PATCH", path, json=self._body(list(differing.values())))
            except OpenESGApiError as error:
                raise _named(error, list(differing)) from error

        before = dict(self._values)
        self._carry_out(patch, lambda: not self._changes(entries))
        self._check_others(before, {entry.place for entry in entries})
        left = self._changes(entries, grouped=True)
        if left:
            raise OpenESGContractError(
                f"Report {self._report_id}: the platform accepted the values, but returns other values for "
                f"{', '.join(left)}."
            )
        return list(changes)

    def _body(self, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the body of a PATCH, with the names of the platform."""
        given, report = self._client.api.write.update, self._client.translator("reports")
        names = {name: given.get(name) or report.part(FIELD_VALUES).their_name(name) for name in _SENT}
        keys = {id_: key for key, id_ in self._ids.items()}
        by_key = names["field_type"].lower().endswith("key")
        sent = [
            {
                names[name]: keys.get(str(part), part) if name == "field_type" and by_key else part
                for name, part in value.items()
            }
            for value in values
        ]
        return {given.get(FIELD_VALUES) or report.their_name(FIELD_VALUES): sent}

    def _check_others(self, before: Mapping[Any, Mapping[str, Any]], sent: set[tuple[str, str | None]]) -> None:
        """Check that values which were not sent are still there.

        :raises OpenESGValuesLostError: if the platform has replaced all values by those that were sent.
        """
        cleared = [
            place
            for place, value in before.items()
            if place not in sent
            and value.get("value") not in (None, "")
            and self._values.get(place, {}).get("value") in (None, "")
        ]
        if cleared:
            keys = {id_: key for key, id_ in self._ids.items()}
            names = ", ".join(keys.get(place[0], place[0]) for place in cleared[:SHOWN])
            raise OpenESGValuesLostError(
                f"Report {self._report_id}: {len(cleared)} values that were not sent are empty now: {names}"
                f"{' …' if len(cleared) > SHOWN else ''}. The platform replaces all values of a report by those of one "
                "request. Nothing more is sent. Restore them, and give all values of a report in one update."
            )

    def _changes(self, entries: Iterable[Entry], *, grouped: bool = False) -> dict[str, dict[str, Any]]:
        """Return the values that differ, by name.

        :param grouped: whether a point in a number of the platform may group digits, because it was just sent.
        """
        grouped = grouped or self._has_comma
        changes = {}
        for entry in entries:
            known = self._values.get(entry.place)
            parts = {
                name: part
                for name, part in entry.parts.items()
                if _differs(entry, name, part, known or {}, grouped=grouped)
            }
            if known is not None and parts:
                changes[entry.name] = {"id": known["id"], **parts}
            elif known is None and (parts or entry.attachment is not None):
                instance = {} if entry.instance_id is None else {"instance_id": entry.instance_id}
                changes[entry.name] = {"field_type": entry.field_type.id, **instance, **parts}
        return changes

    def _attach(self, entry: Entry, file: tuple[str, bytes]) -> bool:
        if self._holds(entry, file):
            return False
        path = self._client.api.paths.attachment.format(
            id=quoted(self._report_id), value_id=quoted(self._values[entry.place]["id"])
        )
        self._carry_out(
            lambda: self._client.request("POST", path, files={"file": file}),
            lambda: self._holds(entry, file),
        )
        return True

    def _holds(self, entry: Entry, file: tuple[str, bytes]) -> bool:
        """Return whether the platform has this file; ``False`` if it cannot be downloaded."""
        name, content = file
        attachment = self._values[entry.place].get("attachment")
        if not isinstance(attachment, dict) or attachment.get("name") != name:
            return False
        if attachment.get("size") not in (None, len(content)) or not attachment.get("url"):
            return False
        try:
            url = urljoin(self._client.settings.base_url, str(attachment["url"]))
            return self._client.request("GET", url).content == content
        except OpenESGError as error:
            log.info("%s: the file cannot be downloaded for comparison, so it is sent again: %s", entry.name, error)
            return False

    def _submit(self) -> bool:
        path = self._client.api.paths.submit.format(id=quoted(self._report_id))
        self._carry_out(lambda: self._client.request("POST", path), lambda: self._status in SUBMITTED_STATUSES)
        return True

    def _carry_out(self, call: Callable[[], Any], is_done: Callable[[], bool]) -> None:
        """Send a request and read the report again. If the response is lost, repeat it unless ``is_done``."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                call()
            except OpenESGApiError as error:
                if attempt == MAX_ATTEMPTS or not error.may_have_been_processed:
                    raise
                pause = self._client.settings.settle_time
                log.warning("The response is lost; reading the report again in %.0f s. %s", pause, error)
                clock.sleep(pause)
                self._read()
                if is_done():
                    return
            else:
                self._read()
                return


def _named(error: OpenESGApiError, names: Sequence[str]) -> OpenESGApiError:
    """Return the error with field keys instead of the positions of the rejected values in the request."""

    def name(match: re.Match[str]) -> str:
        number = int(match[1])
        return names[number] if number < len(names) else match[0]

    message = re.sub(rf"(?:body\.)*{FIELD_VALUES}\.(\d+)", name, error.message)
    return type(error)(message, method=error.method, url=error.url, status=error.status, request_id=error.request_id)


def _differs(entry: Entry, name: str, part: Any, known: Mapping[str, Any], *, grouped: bool) -> bool:
    if name == "unit":
        sent = known.get("unit")
        text = sent.get("key", sent.get("name", sent.get("id"))) if isinstance(sent, dict) else sent
        return bool(entry.field_type.units.get(str(text).casefold(), text) != part)
    if name == "measurement":
        return str(part) != str(reference(known, name))
    shown = "" if known.get(name) is None else str(known[name]).strip()
    if name == "value" and part and shown:
        unit = UNIT.fullmatch(shown)
        if unit and unit[2].strip().casefold() in entry.field_type.units:
            shown = unit[1].strip()
        return not same(entry.field_type.datatype, part, shown, grouped=grouped)
    return (part or "") != shown


def _content(entry: Entry, open_file: Callable[[Any], File]) -> tuple[str, bytes]:
    try:
        file = open_file(entry.attachment)
        content = file.read_bytes()
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise OpenESGConfigError(
            f"{entry.name}: attachment: {entry.attachment} cannot be read, nothing was sent ({error})."
        ) from error
    if not content:
        raise OpenESGConfigError(f"{entry.name}: attachment: {entry.attachment} is empty, nothing was sent.")
    return file.name, content
