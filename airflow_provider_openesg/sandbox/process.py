"""Start a sandbox as a child process and talk to its control API. Standard library only: no Django in the parent."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

READY = "AIRFLOW_CONN_OPENESG_DEFAULT="


class SandboxProcess:
    """A running sandbox that ends with this process, whatever ends it. Use it in a ``with`` statement.

    :param reports: how many reports it holds at the start.
    :param seed: equal seeds give equal data, client IDs and secrets.
    :param port: on loopback; 0 takes a free one.
    :param clients: how many OAuth 2.0 clients it knows (see :attr:`clients`).
    :param token_lifetime: seconds that an access token is valid.
    :param tls_cert: PEM file; with ``tls_key``, :attr:`base_url` is https.
    :param tls_key: PEM file.
    :param start_timeout: seconds to wait for the ready line.
    :raises RuntimeError: when the sandbox does not start, with what it said.
    """

    base_url: str
    control_url: str
    client_id: str
    client_secret: str
    connection_json: str
    clients: list[tuple[str, str]]

    def __init__(
        self,
        *,
        reports: int = 200,
        seed: int = 1,
        port: int = 0,
        clients: int = 1,
        token_lifetime: int = 3600,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        start_timeout: float = 60,
    ) -> None:
        self._command = [sys.executable, "-m", "airflow_provider_openesg.sandbox", f"--port={port}"]
        self._command += [f"--reports={reports}", f"--seed={seed}", f"--clients={clients}"]
        self._command += [f"--token-lifetime={token_lifetime}", f"--parent-pid={os.getpid()}"]
        if tls_cert and tls_key:
            self._command += [f"--tls-cert={tls_cert}", f"--tls-key={tls_key}"]
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        # The control API is on loopback: a proxy of the environment must not see it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and wait until it serves."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the child writes
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors
        )
        try:
            self._read_greeting(self._read_until_ready())
        except (TimeoutError, EOFError) as error:
            said = self.errors().strip() or "nothing"
            self.stop()
            raise RuntimeError(f"The sandbox did not start ({error}). It said: {said}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def errors(self) -> str:
        """What the server wrote to stderr: tracebacks, where it failed."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def _read_until_ready(self) -> list[str]:
        assert self._process is not None
        assert self._process.stdout is not None
        output: IO[bytes] = self._process.stdout
        deadline, said = time.monotonic() + self._start_timeout, b""
        while True:
            readable, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError(f"no ready line within {self._start_timeout:g} s")
            piece = os.read(output.fileno(), 65536)
            if not piece:
                raise EOFError(f"it ended with code {self._process.wait()}")
            said += piece
            lines = said.decode().splitlines(keepends=True)
            if any(line.startswith(READY) and line.endswith("\n") for line in lines):
                return [line.rstrip("\n") for line in lines]

    def _read_greeting(self, lines: list[str]) -> None:
        variables = [shlex.split(line)[0].partition("=") for line in lines if line.startswith("AIRFLOW_CONN_")]
        connections = {name: json.loads(value) for name, _, value in variables}
        default = connections.pop(READY.rstrip("="))
        self.connection_json = json.dumps(default)
        self.base_url, self.client_id, self.client_secret = default["host"], default["login"], default["password"]
        self.clients = [(each["login"], each["password"]) for each in (default, *connections.values())]
        self.control_url = next(line.split()[-1] for line in lines if line.startswith("Control")).removesuffix("docs")

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None, "not started"
        return self._process.pid

    def stop(self) -> None:
        """Stop it at once. Stopping twice does nothing."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        self._process = None

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the control API: GET without a body, else POST.

        :raises RuntimeError: with the sandbox's answer, where it refuses.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own http(s) URL
            self.control_url + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"sandbox {path}: {error.code} {error.read().decode(errors='replace')}") from None

    def state(self) -> dict[str, Any]:
        """Counters, log of calls, e-mails, clock and options since the last reset."""
        answer: dict[str, Any] = self.control("state")
        return answer

    def reset(self) -> None:
        """Back to the start: data, clock, options, faults, counters; all tokens and hanging answers end."""
        self.control("reset", {})

    def turn_clock(self, seconds: float) -> str:
        """Advance the clock (reports move on, tokens age) and return the new time, ISO 8601."""
        answer: dict[str, str] = self.control("clock", {"seconds": seconds})
        return answer["now"]

    def fault(
        self,
        kind: str,
        *,
        path: str = "/",
        method: str | None = None,
        times: int | None = None,
        after: int = 0,
        share: float = 1.0,
        **details: Any,
    ) -> int:
        """Set a fault and return its id. Kinds and details: :class:`airflow_provider_openesg.sandbox.faults.Fault`.

        :param path: regular expression, searched in the path of the call.
        :param times: calls it strikes; ``None``: all.
        :param after: matching calls that it lets pass first.
        :param share: of the matching calls, drawn by the seed.
        """
        body = {"kind": kind, "path": path, "method": method, "times": times, "after": after, "share": share} | details
        answer: dict[str, int] = self.control("faults", body)
        return answer["id"]

    def clear_faults(self) -> None:
        """Take all faults away; hanging answers end."""
        self.control("faults/clear", {})

    def options(self, **changes: Any) -> dict[str, Any]:
        """Change options (see :class:`airflow_provider_openesg.sandbox.state.Options`) and return all of them."""
        answer: dict[str, Any] = self.control("options", changes)
        return answer

    def revoke_tokens(self, client_id: str | None = None, token: str | None = None) -> int:
        """Revoke all tokens, those of one client, or one; return how many."""
        answer: dict[str, int] = self.control("tokens/revoke", {"client_id": client_id, "token": token})
        return answer["revoked"]

    def rotate_secret(self, client_id: str | None = None) -> str:
        """Give a client (the first where None) a new secret and return it. Tokens it has stay valid."""
        answer: dict[str, str] = self.control("clients/rotate", {"client_id": client_id or self.client_id})
        return answer["client_secret"]

    def insert_report(self, position: str = "end", late: int = 0) -> dict[str, Any]:
        """Insert a submitted report, by its id at the ``start``, ``middle`` or ``end`` of the others; return it.

        :param late: seconds from its last change until it is shown: its ``updated_at`` lies that far back.
        """
        answer: dict[str, Any] = self.control("reports/insert", {"position": position, "late": late})
        return answer

    def remove_report(self, report_id: int) -> None:
        """Remove a report."""
        self.control("reports/remove", {"report_id": report_id})

    def withdraw_request(self, request_id: int) -> None:
        """Withdraw a request, and its report with it."""
        self.control("requests/withdraw", {"request_id": request_id})

    def trigger(
        self,
        action: str,
        *,
        path: str = "/api/v1/reports$",
        after: int = 1,
        position: str = "end",
        report_id: int | None = None,
    ) -> None:
        """Insert or remove a report once the ``after``-th further call of ``path`` is answered (before it is sent).

        :param action: ``insert`` or ``remove``.
        :param position: of the report to insert, or to remove where ``report_id`` is None.
        """
        body = {"action": action, "path": path, "after": after, "position": position, "report_id": report_id}
        self.control("triggers", body)
