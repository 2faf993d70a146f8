"""The errors of this package. No Airflow import, no secret in any message."""

from __future__ import annotations

from typing import Any


class OpenESGError(Exception):
    """Whatever goes wrong between Airflow and the openESG platform; the base of all errors here."""


class OpenESGConfigError(OpenESGError):
    """A Connection field, an operator's parameter or an Airflow option that cannot be used.

    The message names it, says what was given and what is allowed.
    """


class OpenESGAuthError(OpenESGError):
    """No token was given out, or the platform refuses the one it has just given out."""


class OpenESGContractError(OpenESGError):
    """The answer is not what the API is taken to be: HTML, broken JSON, a page that repeats or ends early."""


class OpenESGUntraceableError(OpenESGContractError):
    """The platform does not show by its key what was asked of it: asking again might write to somebody twice."""


class OpenESGApiError(OpenESGError):
    """A call that failed, after all retries that were allowed.

    :param message: what the platform said, or what happened on the way to it.
    :param method: the HTTP method.
    :param url: the URL without secrets.
    :param status: the HTTP status; ``None`` where no answer came.
    :param request_id: the platform's own id of the request, where it sends one.
    :param permanent: no answer came, and the next call will fail alike: a certificate that is not trusted, a proxy that
        refuses.
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
        answer = "no answer" if self.status is None else f"HTTP {self.status}"
        request = f" (request id {self.request_id})" if self.request_id else ""
        return f"{self.method} {self.url}: {answer}: {self.message}{request}"

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not pickle by themselves; executors pickle them.
        details = {name: getattr(self, name) for name in ("method", "url", "status", "request_id", "permanent")}
        return _rebuild, (type(self), self.message, details)


class OpenESGNotFoundError(OpenESGApiError):
    """The platform has nothing at that path (404, 410), or does not show it to this client."""


class OpenESGRateLimitError(OpenESGApiError):
    """The platform still answers 429 after the retry budget, or asks for a longer wait than is left of it."""


def _rebuild(cls: type[OpenESGApiError], message: str, details: dict[str, Any]) -> OpenESGApiError:
    return cls(message, **details)
