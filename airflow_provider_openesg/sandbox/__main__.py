"""Command line of the sandbox: ``python -m airflow_provider_openesg.sandbox --port 8085 --reports 200 --seed 1``."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

NEEDED = ("django", "oauth2_provider", "ninja", "waitress")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_openesg.sandbox",
        description="Serve a small openESG platform with made-up ESG reports on this machine, until stopped.",
    )
    parser.add_argument("--port", type=_integer(0, 65535), default=8085, help="on 127.0.0.1; 0 takes a free one (8085)")
    parser.add_argument("--reports", type=_integer(0, 1_000_000), default=200, help="how many reports (200)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds give equal data, clients and secrets (1)")
    parser.add_argument("--clients", type=_integer(1, 100), default=1, help="how many OAuth 2.0 clients (1)")
    parser.add_argument("--token-lifetime", type=_integer(1, 10**9), default=3600, help="seconds (3600)")
    parser.add_argument("--tls-cert", help="PEM file of a certificate: serve https as well")
    parser.add_argument("--tls-key", help="PEM file of the certificate's key")
    parser.add_argument("--parent-pid", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if bool(given.tls_cert) != bool(given.tls_key):
        parser.error("--tls-cert and --tls-key belong together")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(
            f"The sandbox needs {', '.join(missing)}, not installed here: "
            "pip install 'airflow-provider-openesg[sandbox]'"
        )
    from airflow_provider_openesg.sandbox.server import ServerConfig, serve

    serve(ServerConfig(**vars(given)))


def _integer(low: int, high: int) -> type[int]:
    def integer(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low} to {high}")
        return value

    return integer  # type: ignore[return-value]


if __name__ == "__main__":
    main()
