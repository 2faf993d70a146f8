"""Command line of the sandbox: ``python -m airflow_provider_openesg.sandbox --port 8085 --reports 200 --seed 1``."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

from airflow_provider_openesg.sandbox.shapes.table import SHAPES, ShapeError, shape_of

NEEDED = ("django", "oauth2_provider", "ninja", "waitress")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and start the server."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_openesg.sandbox",
        description="Serve a small openESG platform with generated ESG reports on this machine until it is stopped.",
        epilog="shapes:\n" + "\n".join(f"  {name:26}{each.description}" for name, each in SHAPES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=_integer(0, 65535), default=8085, help="port on 127.0.0.1; 0 selects a free port (default: 8085)"
    )
    parser.add_argument("--reports", type=_integer(0, 1_000_000), default=200, help="number of reports (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the data, clients and secrets (default: 1)")
    parser.add_argument("--clients", type=_integer(1, 100), default=1, help="number of OAuth 2.0 clients (default: 1)")
    parser.add_argument(
        "--token-lifetime",
        type=_integer(1, 10**9),
        default=3600,
        help="lifetime of access tokens in seconds (default: 3600)",
    )
    parser.add_argument("--tls-cert", help="PEM file with the certificate; enables https")
    parser.add_argument("--tls-key", help="PEM file with the private key of the certificate")
    parser.add_argument(
        "--shape", type=_shape, default=(), metavar="NAME[,NAME]", help="serve the data in another form; see shapes"
    )
    parser.add_argument("--parent-pid", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if bool(given.tls_cert) != bool(given.tls_key):
        parser.error("--tls-cert and --tls-key must be given together")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(
            f"The sandbox needs {', '.join(missing)}, not installed. Run: "
            "pip install 'airflow-provider-openesg[sandbox]'"
        )
    from airflow_provider_openesg.sandbox.server import ServerConfig, serve

    serve(ServerConfig(**vars(given)))


def _shape(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        shape_of(names)
    except ShapeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _integer(low: int, high: int) -> type[int]:
    def integer(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not an integer from {low} to {high}")
        return value

    return integer  # type: ignore[return-value]


if __name__ == "__main__":
    main()
