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
    from collections.abc import Mapping, Sequence
    from types import TracebackType

READY = "AIRFLOW_CONN_OPENESG_DEFAULT="


class SandboxProcess:
    """A sandbox in a child process, for use in a ``with`` statement.

    The sandbox exits when the parent process ends, even if the parent is killed.

    :param reports: number of reports at the start; 200 by default.
    :param seed: seed of the data, client IDs and secrets; 1 by default.
    :param port: port on loopback; by default 0, which selects a free port.
    :param clients: number of OAuth 2.0 clients (see :attr:`clients`); 1 by default.
    :param token_lifetime: lifetime of access tokens in seconds; 3600 by default.
    :param tls_cert: PEM file with a certificate; with ``tls_key``, :attr:`base_url` uses https.
    :param tls_key: PEM file with the private key of the certificate.
    :param shape: names of :data:`airflow_provider_openesg.sandbox.shapes.table.SHAPES`; none by default.
    :param start_timeout: seconds to wait for the ready line; 60 by default.
    :raises RuntimeError: if the sandbox does not start; the message contains its error output.
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
        shape: Sequence[str] = (),
        start_timeout: float = 60,
    ) -> None:
        self._command = [sys.executable, "-m", "airflow_provider_openesg.sandbox", f"--port={port}"]
        self._command += [f"--reports={reports}", f"--seed={seed}", f"--clients={clients}"]
        self._command += [f"--token-lifetime={token_lifetime}", f"--parent-pid={os.getpid()}"]
        if tls_cert and tls_key:
            self._command += [f"--tls-cert={tls_cert}", f"--tls-key={tls_key}"]
        if shape:
            self._command.append(f"--shape={','.join(shape)}")
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        # The control API is on loopback, so proxies from the environment must not be used.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the sandbox and wait until it accepts requests."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - stays open while the child process writes
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors
        )
        try:
            self._read_greeting(self._read_until_ready())
        except (TimeoutError, EOFError) as error:
            output_text = self.errors().strip() or "nothing"
            self.stop()
            raise RuntimeError(f"The sandbox did not start ({error}). Its error output: {output_text}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def errors(self) -> str:
        """Return the server's stderr output, including tracebacks."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def _read_until_ready(self) -> list[str]:
        assert self._process is not None
        assert self._process.stdout is not None
        output: IO[bytes] = self._process.stdout
        deadline, output_text = time.monotonic() + self._start_timeout, b""
        while True:
            readable, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError(f"no ready line within {self._start_timeout:g} s")
            piece = os.read(output.fileno(), 65536)
            if not piece:
                raise EOFError(f"it exited with code {self._process.wait()}")
            output_text += piece
            lines = output_text.decode().splitlines(keepends=True)
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
        """Process ID of the server."""
        assert self._process is not None, "not started"
        return self._process.pid

    def stop(self) -> None:
        """Stop the sandbox immediately. If it is already stopped, do nothing."""
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
        """Send a request to the control API and return its JSON response.

        The method is GET if there is no body, otherwise POST.

        :raises RuntimeError: if the response is an error; the message contains it.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own http(s) URL
            self.control_url + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"sandbox {path}: {error.code} {error.read().decode(errors='replace')}") from None

    def state(self) -> dict[str, Any]:
        """Return counters, request log, e-mails, clock and options since the last reset."""
        response: dict[str, Any] = self.control("state")
        return response

    def reset(self) -> None:
        """Restore the initial state: remove all changes, faults and tokens, and end hanging requests."""
        self.control("reset", {})

    def turn_clock(self, seconds: float) -> str:
        """Advance the clock and return the new time in ISO 8601. Reports change status and tokens age accordingly."""
        response: dict[str, str] = self.control("clock", {"seconds": seconds})
        return response["now"]

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
        """Set a fault and return its ID.

        :class:`airflow_provider_openesg.sandbox.faults.Fault` describes kinds and details.

        :param path: regular expression to search for in the path of the request.
        :param times: maximum number of requests with the fault; no limit by default.
        :param after: number of matching requests without the fault at the start; 0 by default.
        :param share: share of matching requests with the fault, selected at random by the seed; 1.0 by default.
        """
        body = {"kind": kind, "path": path, "method": method, "times": times, "after": after, "share": share} | details
        response: dict[str, int] = self.control("faults", body)
        return response["id"]

    def clear_faults(self) -> None:
        """Remove all faults and end hanging requests."""
        self.control("faults/clear", {})

    def options(self, **changes: Any) -> dict[str, Any]:
        """Change options (see :class:`airflow_provider_openesg.sandbox.state.Options`) and return all of them."""
        response: dict[str, Any] = self.control("options", changes)
        return response

    def revoke_tokens(self, client_id: str | None = None, token: str | None = None) -> int:
        """Revoke all tokens, the tokens of one client, or one token, and return their number."""
        response: dict[str, int] = self.control("tokens/revoke", {"client_id": client_id, "token": token})
        return response["revoked"]

    def rotate_secret(self, client_id: str | None = None) -> str:
        """Set a new secret for a client (by default the first client) and return it. Existing tokens stay valid."""
        response: dict[str, str] = self.control("clients/rotate", {"client_id": client_id or self.client_id})
        return response["client_secret"]

    def insert_report(self, position: str = "end", late: int = 0) -> dict[str, Any]:
        """Insert a submitted report and return it.

        :param position: position of its ID in the order of report IDs: ``start``, ``middle`` or ``end``.
        :param late: seconds by which ``updated_at`` is earlier than the insertion; 0 by default.
        """
        response: dict[str, Any] = self.control("reports/insert", {"position": position, "late": late})
        return response

    def remove_report(self, report_id: int) -> None:
        """Remove a report."""
        self.control("reports/remove", {"report_id": report_id})

    def withdraw_request(self, report_request_id: int) -> None:
        """Withdraw a report request and its report."""
        self.control("requests/withdraw", {"report_request_id": report_request_id})

    def trigger(
        self,
        action: str,
        *,
        path: str = "/api/v1/reports$",
        after: int = 1,
        position: str = "end",
        report_id: int | None = None,
    ) -> None:
        """Insert or remove a report during the next request number ``after`` to ``path``, before its response is sent.

        :param action: ``insert`` or ``remove``.
        :param path: regular expression to search for in the path of the request.
        :param after: number of matching requests, including the one that runs the action; 1 by default.
        :param position: position of the report to insert, or to remove if ``report_id`` is ``None``.
        """
        body = {"action": action, "path": path, "after": after, "position": position, "report_id": report_id}
        self.control("triggers", body)
