"""WSGI middleware between the request log and Django: it translates requests and responses to a shape."""

from __future__ import annotations

import io
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import msgspec

from airflow_provider_openesg.sandbox.reports import values_of
from airflow_provider_openesg.sandbox.shapes.errors import RefusedError, shaped_error
from airflow_provider_openesg.sandbox.shapes.incoming import Incoming
from airflow_provider_openesg.sandbox.shapes.pages import ALL, list_response, window_of
from airflow_provider_openesg.sandbox.shapes.records import Records, collection
from airflow_provider_openesg.sandbox.shapes.table import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_openesg.sandbox.state import PlatformState

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]
"""Status, headers, body."""
Application = Callable[[Environ, Any], Any]
Source = Callable[[int, int], tuple[list[Any], int]]
"""Function that returns rows from a position, at most a number of them, and the number of all rows."""

API, TOKEN = "/api/v1/", "/o/token/"
KINDS = {collection(kind): kind for kind in ("organization", "report_template", "report_request", "report")}
FORBIDDEN = (403, "You do not have permission to perform this action.")
# The documentation of the assumed API does not change.
_DOCUMENTATION = ("/api/v1/docs", "/api/v1/openapi.json")


class ShapedApplication:
    """WSGI application that wraps Django. Without a shape it only calls Django.

    :param application: Django's WSGI application.
    :param platform: state of the platform, which has the names of the shape; read for every request.
    """

    def __init__(self, application: Application, platform: PlatformState) -> None:
        self._application, self._platform = application, platform
        self._scoped: set[str] = set()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Handle one request."""
        path, shape = environ["PATH_INFO"], shape_of(self._platform.options.shape)
        if shape is None or not path.startswith((API, TOKEN)) or path in _DOCUMENTATION:
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        exchange = _Exchange(self._application, self._platform, shape, environ)
        status, headers, body = self._token(exchange) if path.startswith(TOKEN) else exchange.answer(self._scoped)
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _token(self, exchange: _Exchange) -> Answer:
        """Handle a token request. Django does not record whether it had a scope or received the default."""
        status, headers, body = exchange.call()
        if status == HTTPStatus.OK:
            if parse_qs(exchange.body.decode("latin-1")).get("scope"):
                self._scoped.add(f"Bearer {msgspec.json.decode(body)['access_token']}")
            status = exchange.shape.token_status
        return status, headers, body


class _Exchange:
    """One request and its response."""

    def __init__(self, application: Application, platform: PlatformState, shape: Shape, environ: Environ) -> None:
        self._application, self._platform, self._environ = application, platform, environ
        self.shape, self.method, self.path = shape, environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        self.base_url = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '127.0.0.1')}"
        self.records = Records(shape, self.base_url)
        self.incoming = Incoming(shape, self.records)

    def call(
        self, method: str | None = None, path: str | None = None, query: Any = None, body: bytes | None = None
    ) -> Answer:
        """Send a request to Django: by default, the request as received."""
        content = self.body if body is None else body
        environ = self._environ | {
            "REQUEST_METHOD": method or self.method,
            "PATH_INFO": path or self.path,
            "QUERY_STRING": self._environ.get("QUERY_STRING", "") if query is None else urlencode(query),
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
        }
        started: list[Any] = []
        response = self._application(environ, lambda *arguments: started.extend(arguments))
        try:
            received = b"".join(response)
        finally:
            getattr(response, "close", lambda: None)()
        return int(started[0][:3]), list(started[1]), received

    def answer(self, scoped: set[str]) -> Answer:
        """Return the response to a request to the API.

        :param scoped: ``Authorization`` headers of the tokens that were requested with a scope.
        """
        try:
            return self._slash() or self._permitted(scoped)
        except RefusedError as error:
            status, content_type, body = shaped_error(self.shape, error)
            return status, [("Content-Type", content_type)], msgspec.json.encode(body)

    def _slash(self) -> Answer | None:
        """Return the response to a path without a trailing slash, or ``None`` if the path is accepted."""
        if self.shape.slash == "none" or self.path.endswith("/"):
            return None
        if self.shape.slash == "404":
            raise RefusedError(404, "Not Found")
        if self.shape.slash == "500" and self.method != "GET":
            text = f"You called this URL via {self.method}, but the URL does not end in a slash."
            return 500, [("Content-Type", "text/plain")], text.encode()
        query = self._environ.get("QUERY_STRING", "")
        return 301, [("Location", f"{self.base_url}{self.path}/{query and '?'}{query}")], b""

    def _permitted(self, scoped: set[str]) -> Answer:
        if self.shape.scope_required and self._environ.get("HTTP_AUTHORIZATION") not in scoped:
            self._read(f"{API}report-templates", {"limit": 1})  # 401 if the token is not valid
            raise RefusedError(*FORBIDDEN)
        path = self.path.removeprefix(API)
        # URLs of records have a trailing slash, with any other setting.
        has_slash = self.shape.slash != "none" or self.shape.ids == "url" or self.shape.references == "url"
        parts = (path.removesuffix("/") if has_slash else path).split("/")
        kind = KINDS.get(parts[0], "")
        if kind and len(parts) > 1:
            parts[1] = self.incoming.path_id(kind, parts[1])
        return self._routed(kind, parts)

    def _routed(self, kind: str, parts: list[str]) -> Answer:
        """Translate the request by its path: the name of a list, an id, the name of a list of the record."""
        inner = API + "/".join(parts)
        if self.shape.some_forbidden and kind == "report" and len(parts) > 1 and parts[1].isdecimal():
            self._read(API + "/".join(parts[:2]), {})
            if int(parts[1]) // 10 % 7 == 3:
                raise RefusedError(*FORBIDDEN)
        match self.method, kind, parts[1:]:
            case "GET", str(), [] if kind:
                return self._list(kind, lambda start, size: self._rows(inner, start, size))
            case "GET", "report_template", [number, "sections"]:
                return self._sections(number, "section")
            case "GET", "report_template", [number, "field-types"] if self.shape.field_types == "path":
                return self._sections(number, "field_type")
            case "GET", "report", [number, "field-values"] if self.shape.values == "path":
                values = self._read(f"{API}reports/{number}", {})["field_values"]
                return self._list("field_value", lambda start, size: (values[start : start + size], len(values)))
            case "POST", "report_request", []:
                return self._single(
                    "created_report_request", self.call(path=inner, body=self._json(self.incoming.new_request))
                )
            case "PATCH", "report", [number]:
                values = self._values(number)
                body = self._json(lambda sent: self.incoming.change(sent, values))
                return self._single(kind, self.call(path=inner, body=body))
            case _, "report", [_, "field-values", value, "attachment"]:
                parts[3] = self.incoming.path_id("field_value", value)
                return self._single("field_value", self.call(path=API + "/".join(parts)))
            case _:
                return self._single(kind, self.call(path=inner))

    def _single(self, kind: str, answer: Answer) -> Answer:
        """Translate the response with one record, or an error."""
        status, headers, body = answer
        if not _is_json(headers):
            return answer
        record = msgspec.json.decode(body)
        if status >= HTTPStatus.BAD_REQUEST:
            raise self.incoming.error(status, record.get("detail"))
        if kind == "report":
            record = self.records.report(record, in_list=False)
        elif kind == "report_template":
            record = self.records.template(record, in_list=False)
        if kind == "created_report_request":
            created = self.records.single("report_request", record["report_request"])
            record = self.records.record(kind, record) | {self.records.name("report_request"): created}
        elif kind:
            record = self.records.single(kind, record)
        return status, _json_headers(), msgspec.json.encode(record)

    def _list(self, kind: str, source: Source) -> Answer:
        """Return a page of a list in the envelope of the shape."""
        window = window_of(self.shape, self.query)
        rows, total = source(window.start, window.size)
        shaped = [self._row(kind, row) for row in rows]
        url, resource = f"{self.base_url}{self.path}", f"{kind}s"
        body, headers = list_response(self.shape, resource, shaped, window, total, url, self.query)
        return 200, [*_json_headers(), *headers], msgspec.json.encode(body)

    def _row(self, kind: str, record: dict[str, Any]) -> dict[str, Any]:
        if kind == "report":
            record = self.records.report(record, in_list=True)
        elif kind == "report_template":
            record = self.records.template(record, in_list=True)
        in_jsonapi = self.shape.envelope == "jsonapi"
        return self.records.resource(kind, record) if in_jsonapi else self.records.record(kind, record)

    def _sections(self, number: str, kind: str) -> Answer:
        """Return the list of a template's sections, or of its field types."""
        rows, _ = self._rows(f"{API}report-templates/{number}/sections", 0, ALL)
        if kind == "field_type":
            rows = [each | {"section": section["id"]} for section in rows for each in section["field_types"]]
        elif self.shape.sections != "path":
            raise RefusedError(404, "Not Found")
        else:
            rows = self.records.sections(rows)
        return self._list(kind, lambda start, size: (rows[start : start + size], len(rows)))

    def _rows(self, path: str, start: int, size: int) -> tuple[list[Any], int]:
        """Return rows of a list of the assumed API, and the number of all rows. Its pages may have a maximum size."""
        if self._platform.options.envelope == "bare" and (start, size) != (0, ALL):
            rows, total = self._rows(path, 0, ALL)
            return rows[start : start + size], total
        filters, rows = self.incoming.query(self.query), []
        while True:
            page = self._read(path, filters | {"limit": size - len(rows), "offset": start + len(rows)})
            found = page if isinstance(page, list) else page.get("items", page.get("results"))
            rows += found
            total = start + len(rows) if isinstance(page, list) else page["count"]
            if not found or len(rows) >= size or (isinstance(page, dict) and start + len(rows) >= total):
                return rows, total

    def _read(self, path: str, query: dict[str, Any]) -> Any:
        """Return the JSON response to a GET request to the assumed API."""
        status, headers, body = self.call("GET", path, query, b"")
        answer = msgspec.json.decode(body) if _is_json(headers) else {}
        if status != HTTPStatus.OK:
            raise self.incoming.error(status, answer.get("detail", HTTPStatus(status).phrase))
        return answer

    def _values(self, number: str) -> list[dict[str, Any]]:
        report = self._platform.report(int(number)) if number.isdecimal() else None
        return values_of(report, report.progress(self._platform.now)) if report else []

    def _json(self, translate: Callable[[Any], Any]) -> bytes:
        """Return the translated body of the request. A body that is not JSON does not change."""
        try:
            body = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return self.body
        return msgspec.json.encode(translate(body))


def _is_json(headers: Headers) -> bool:
    return any(name.lower() == "content-type" and "json" in value for name, value in headers)


def _json_headers() -> Headers:
    return [("Content-Type", "application/json; charset=utf-8")]
