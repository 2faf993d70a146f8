"""The exceptions of this package. No message contains a secret."""

from __future__ import annotations

from typing import Any

TEMPORARY_STATUSES = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed later."""


class OpenESGError(Exception):
    """Base class of all errors of this package."""


class OpenESGConfigError(OpenESGError):
    """A Connection field, an operator parameter or an Airflow option is not valid.

    The message contains its name, its value and the allowed values.
    """


class OpenESGAuthError(OpenESGError):
    """The platform issues no token, or rejects a token that it has just issued."""


class OpenESGContractError(OpenESGError):
    """A response does not match the API: HTML, invalid JSON, a page that repeats or ends early."""


class OpenESGUntraceableError(OpenESGContractError):
    """The platform does not show the key of a report request, so sending it again might contact a provider twice."""


class OpenESGValuesLostError(OpenESGContractError):
    """An update has cleared values that were not sent: the platform replaces all values of a report. Do not retry."""


class OpenESGApiError(OpenESGError):
    """A request failed, after all retries.

    :param message: error message of the platform, or the reason for no response.
    :param method: HTTP method.
    :param url: URL without secrets.
    :param status: HTTP status; ``None`` if there is no response.
    :param request_id: id that the platform gave the request, if it sends one.
    :param permanent: whether the next request will fail for the same reason, for example because a certificate is not
        trusted or a proxy refuses the connection. Only without a response.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        url: str,
        status: int | None = None,
        request_id: str | None = None,
        permanent: bool = False,
    ) -> None:
        self.message = message
        self.method = method
        self.url = url
        self.status = status
        self.request_id = request_id
        self.permanent = permanent
        super().__init__(message)

    def __str__(self) -> str:
        outcome = "no response" if self.status is None else f"HTTP {self.status}"
        request = f" (request id {self.request_id})" if self.request_id else ""
        return f"{self.method} {self.url}: {outcome}: {self.message}{request}"

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return not self.permanent if self.status is None else self.status in TEMPORARY_STATUSES

    @property
    def may_have_been_processed(self) -> bool:
        """Whether the platform may have processed the request: there is no response, or a server error."""
        return self.status is None or self.status >= 500

    def __reduce__(self) -> tuple[object, ...]:
        # Executors pickle exceptions, which does not work by default with keyword-only arguments.
        details = {name: getattr(self, name) for name in ("method", "url", "status", "request_id", "permanent")}
        return _rebuild, (type(self), self.message, details)


class OpenESGNotFoundError(OpenESGApiError):
    """The path does not exist on the platform (404, 410), or this client may not see it."""


class OpenESGRateLimitError(OpenESGApiError):
    """The platform still responds with 429 when the retry budget is used up, or asks for a longer wait."""


def _rebuild(cls: type[OpenESGApiError], message: str, details: dict[str, Any]) -> OpenESGApiError:
    return cls(message, **details)
