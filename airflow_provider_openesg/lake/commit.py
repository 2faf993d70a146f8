"""Make a run of files count, remove what it replaces, and sweep old runs where that is asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.lake.manifest import PARTS, RUNS, SWEPT, TRIES, Manifest, decode
from airflow_provider_openesg.runs import UPDATED_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_openesg.lake.storage import Lake
    from airflow_provider_openesg.runs import Run

log = logging.getLogger(__name__)


def try_name(run: Run) -> str:
    """Name one try of a run: it begins with its time, so that files sort by it, and ends with the run."""
    return f"{run.started_at:%Y%m%dT%H%M%S%fZ}-{run.token}"


def try_of(path: str) -> str:
    """Return the try that a file is of."""
    return path.rpartition("/")[2].partition(".")[0]


def run_of(path: str) -> str:
    """Return the run that a file, or a try, is of."""
    return try_of(path).partition("-")[2]


def read(lake: Lake, path: str) -> Manifest | None:
    """Read a manifest; ``None`` where there is none.

    :raises OpenESGConfigError: where the file is no manifest.
    """
    content = lake.get(path)
    return None if content is None else decode(lake, lake.url(path), content)


def commit(lake: Lake, manifest: Manifest, keep_runs: int | None) -> str:
    """Write the manifest: from then on the run counts, in place of its earlier tries. Then tidy up.

    :param keep_runs: see :func:`sweep`; ``None`` keeps all.
    :returns: the manifest's path.
    :raises OpenESGError: where a later try has committed the run already.
    """
    path = f"{RUNS}/{manifest.run}.json"
    before = read(lake, path)
    if before and before.started_at > manifest.started_at:
        raise OpenESGError(
            f"run {manifest.run}: a later try of this task, begun {before.started_at:%Y-%m-%d %H:%M:%S} UTC, has"
            " committed it. This one was taken for dead, and leaves it as it is."
        )
    # Tries again, until their files are gone: where this one is killed while it removes them, the next one goes on.
    for replaced in {*map(try_of, before.paths)} if before else ():
        lake.put(f"{TRIES}/{replaced}", b"")
    lake.put(path, manifest.encode())
    # The run counts: whatever fails now is no reason to do it again.
    try:
        _remove_replaced(lake, before, manifest)
    except Exception as error:
        log.warning("Files of earlier tries of this run stay in %s (%s); no manifest names them.", lake, error)
    if keep_runs is not None:
        try:
            sweep(lake, manifest, keep_runs)
        except Exception as error:
            log.warning("Old runs stay in %s: they could not be swept (%s).", lake, error)
    return path


def _remove_replaced(lake: Lake, before: Manifest | None, manifest: Manifest) -> None:
    """Remove files of this run that do not count: those of its other tries, and of parts that are none any more."""
    named = {*manifest.paths}
    committed = {run_of(path): try_of(path) for path in named}
    gone = {*before.paths} - named if before else set()
    runs = manifest.runs | (before.runs if before else set())
    # A later try than the one that counts goes on: a mapped task that was cleared alone.
    tries = [each for each in lake.names(TRIES) if run_of(each) in runs and each <= committed.get(run_of(each), "9")]
    if dead := {*tries} - {*committed.values()}:
        tables = {*manifest.tables, *(before.tables if before else ())}
        gone |= {path for table in tables for path in lake.find(table) if try_of(path) in dead}
    lake.remove(gone)
    lake.remove(f"{TRIES}/{each}" for each in tries)


def sweep(lake: Lake, newest: Manifest, keep: int) -> None:
    """Remove runs of the series of ``newest`` that are older than it: never those of others, nor later ones.

    What is kept are the last ``keep`` runs that pulled everything, and all later ones. A run that pulled only what
    changed says little without the ones before it: it goes with the one that it builds on.
    """
    for name in lake.names(SWEPT):
        _remove_swept(lake, name)  # begun by a sweep that was killed
    runs = [run for run in _readable(lake) if run.series == newest.series and run.started_at <= newest.started_at]
    complete = sorted(run.started_at for run in runs if run.selection.get(UPDATED_AFTER) is None)
    if len(complete) <= keep:
        return
    old = [run for run in runs if run.started_at < complete[-keep]]
    for run in old:
        name = f"{run.run}.json"
        # Out of the readers' sight first, and kept until its files are gone.
        lake.put(f"{SWEPT}/{name}", run.encode())
        lake.remove([f"{RUNS}/{name}"])
        _remove_swept(lake, name)
    if old:
        log.info("Swept %d run(s) committed before %s", len(old), complete[-keep])


def _readable(lake: Lake) -> Iterable[Manifest]:
    for name in lake.names(RUNS):
        try:
            run = read(lake, f"{RUNS}/{name}")
        except OpenESGConfigError as error:
            log.warning("Not swept: %s", error)
            continue
        if run:
            yield run


def _remove_swept(lake: Lake, name: str) -> None:
    run = read(lake, f"{SWEPT}/{name}")
    if run is None:
        return
    # By name as well: a manifest that somebody has edited removes nothing of others.
    lake.remove(path for path in run.paths if run_of(path) in run.runs and ".." not in path)
    lake.remove(f"{PARTS}/{part.run}.json" for part in run.parts)
    lake.remove([f"{SWEPT}/{name}"])


def read_parts(lake: Lake, runs: Sequence[str]) -> list[Manifest]:
    """Read what the tasks wrote whose runs are to be committed as one.

    :raises OpenESGConfigError: where a part is not below this path.
    """
    found = []
    for run in runs:
        part = read(lake, f"{PARTS}/{run}.json")
        if part is None:
            raise OpenESGConfigError(
                f"parts: {run!r} is not below path {lake}. Give the path and the object_storage_conn_id of the tasks"
                " that wrote the parts."
            )
        found.append(part)
    return found
