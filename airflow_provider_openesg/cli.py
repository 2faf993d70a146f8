"""The command ``check``: of Airflow (``airflow openesg check``), and of this package."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = "Compare a platform with what is assumed of it, and propose what to write down"
_CONN_ID = "id of a Connection of type openesg"
_SCHEMA = "file with the platform's OpenAPI schema; by default, the platform is asked for it"
_WRITE = "file for the proposed profile (TOML); an existing file is not overwritten"
_JSON = "print the result as JSON"


def get_commands() -> list[Any]:
    """Return the commands for Airflow 3.2 and later, which reads them by the manifest."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    argument: Any = Arg  # has no types
    arguments = (
        argument(("conn_id",), help=_CONN_ID),
        argument(("--schema",), help=_SCHEMA, metavar="FILE"),
        argument(("--write",), help=_WRITE, metavar="FILE"),
        argument(("--json",), help=_JSON, action="store_true"),
    )
    command = ActionCommand(name="check", help=HELP, func=_run, args=arguments)
    return [GroupCommand(name="openesg", help="Commands of the openESG provider", subcommands=[command])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m airflow_provider_openesg`` and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_openesg")
    command = parser.add_subparsers(required=True).add_parser("check", help=HELP, description=f"{HELP}.")
    command.add_argument("--conn-id", required=True, help=_CONN_ID)
    command.add_argument("--schema", metavar="FILE", help=_SCHEMA)
    command.add_argument("--write", metavar="FILE", help=_WRITE)
    command.add_argument("--json", action="store_true", help=_JSON)
    return check(parser.parse_args(arguments))


def check(arguments: argparse.Namespace) -> int:
    """Check a platform, print the result, and return the exit status: 0, 1 (differences to write) or 2 (unusable)."""
    from airflow.providers.common.compat.sdk import AirflowException

    from airflow_provider_openesg.check.source import read_schema_file
    from airflow_provider_openesg.exceptions import OpenESGConfigError
    from airflow_provider_openesg.hooks.openesg import OpenESGHook

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # Airflow writes log lines to the standard output
    try:
        schema = read_schema_file(Path(arguments.schema)) if arguments.schema else None
        with OpenESGHook(arguments.conn_id) as hook:
            result = hook.check(schema)
    except (OpenESGConfigError, AirflowException) as error:
        print(f"The platform cannot be used: {error}", file=sys.stderr)  # noqa: T201 - the output of a command
        return 2
    finally:
        logging.disable(disabled)
    print(result.as_json() if arguments.json else result.text())  # noqa: T201
    if arguments.write and not result.unusable and not _written(Path(arguments.write), result.toml):
        return 2
    return result.exit_status


def _run(arguments: argparse.Namespace) -> None:
    sys.exit(check(arguments))


def _written(path: Path, text: str) -> bool:
    """Write a file, unless it exists. Return whether it has the text."""
    text = text or "# Nothing differs.\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_text(encoding="utf-8") == text:
            return True
        reason = "it exists with other content. Copy the lines into it, or name another file"
    except OSError as error:
        reason = str(error.strerror)
    else:
        return True
    print(f"--write {path}: {reason}.", file=sys.stderr)  # noqa: T201
    return False
