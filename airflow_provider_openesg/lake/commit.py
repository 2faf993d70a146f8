"""Commit a run of files, remove the files that it replaces, and remove old runs.

The manifests are the only state. One rule removes files: a file of this run that the manifest does not name is removed,
unless a newer try wrote it. File names carry the start time of the try and the run, so a listing is enough.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.lake.manifest import (
    PARTS,
    RUNS,
    WRITE_TESTS,
    Manifest,
    decode,
    manifest_contents,
    manifest_path,
    run_of,
    try_name,
    try_of,
)
from airflow_provider_openesg.runs import UPDATED_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_openesg.lake.storage import Lake

log = logging.getLogger(__name__)


def read(lake: Lake, path: str) -> Manifest | None:
    """Return a manifest; ``None`` if the file does not exist.

    :raises OpenESGConfigError: if the file is not a manifest.
    """
    content = lake.get(path)
    return None if content is None else decode(lake, lake.url(path), content)


def read_replaced(lake: Lake, folder: str, manifest: Manifest) -> Manifest | None:
    """Return the manifest that ``manifest`` replaces; ``None`` if this is the first commit of the run.

    :param folder: :data:`RUNS` or :data:`PARTS`.
    :raises OpenESGError: if a later try of the same task instance has already committed the run.
    """
    replaced = read(lake, manifest_path(folder, manifest.run))
    if replaced and replaced.started_at > manifest.started_at:
        raise OpenESGError(
            f"run {manifest.run}: a later try of this task, started at {replaced.started_at:%Y-%m-%d %H:%M:%S} UTC, has"
            " already committed this run. The files of this earlier try are not committed."
        )
    return replaced


def commit(lake: Lake, manifest: Manifest, replaced: Manifest | None, keep_runs: int | None) -> str:
    """Write the manifest, which commits the run. Then remove replaced files and old runs.

    A failed removal is only a warning, because the run is already committed. The next commit of the run repeats it.

    :param replaced: result of :func:`read_replaced`.
    :param keep_runs: see :func:`remove_old_runs`; ``None`` keeps all runs.
    :return: path of the manifest.
    """
    path = manifest_path(RUNS, manifest.run)
    lake.put(path, manifest.encode())
    try:
        lake.remove(_unnamed(lake, manifest, replaced))
        if keep_runs is not None:
            remove_old_runs(lake, manifest, keep_runs)
    except Exception as error:
        log.warning("Old files in %s could not be removed (%s). Committed data is not affected.", lake, error)
    return path


def _unnamed(lake: Lake, manifest: Manifest, replaced: Manifest | None) -> Iterator[str]:
    """Yield the files of this run and its parts that no manifest names and that no newer try wrote."""
    both = [each for each in (replaced, manifest) if each]
    last_try = {each.run: try_name(each.started_at, each.run) for run in both for each in (run, *run.parts)}
    named = set(manifest.paths)
    if replaced:
        yield from (path for path in replaced.removed if run_of(path) in replaced.runs)
    for folder in (WRITE_TESTS, *{table: None for each in both for table in each.tables}):
        for path in lake.find(folder):
            if path not in named and try_of(path) <= last_try.get(run_of(path), ""):
                yield path


def remove_old_runs(lake: Lake, newest: Manifest, keep: int) -> None:
    """Remove old runs of the series of ``newest``. Runs of other series and later runs stay.

    The last ``keep`` complete runs stay, with all runs after the oldest of them. A run that read only changes is
    useless without the runs before it, so it is removed with the complete run that it depends on.

    The manifest of an old run is first replaced by one that has no tables, so that no reader uses it. It is deleted
    after its files. If this is interrupted, the next call finds that manifest and continues.
    """
    runs = [run for run in _readable(lake) if run.series == newest.series and run.started_at <= newest.started_at]
    complete = sorted(run.started_at for run in runs if run.selection.get(UPDATED_AFTER) is None and not run.removed)
    oldest = complete[-keep] if len(complete) > keep else None
    old = [run for run in runs if not run.removed and oldest and run.started_at < oldest]
    unfinished = [run for run in runs if run.removed]
    for run in old:
        emptied = msgspec.structs.replace(run, tables={}, removed=run.paths)
        lake.put(manifest_path(RUNS, run.run), emptied.encode())
        unfinished.append(emptied)
    for run in unfinished:
        # The name must belong to the run: a manifest that was edited by hand must not remove other files.
        lake.remove(path for path in run.removed if run_of(path) in run.runs)
        lake.remove(manifest_path(PARTS, part.run) for part in run.parts)
        current = read(lake, manifest_path(RUNS, run.run))
        if current and current.removed:  # not committed again by a task that was cleared
            lake.remove([manifest_path(RUNS, run.run)])
    if old:
        log.info("Removed %d run(s) that started before %s", len(old), oldest)


def _readable(lake: Lake) -> Iterator[Manifest]:
    for name, content in manifest_contents(lake):
        try:
            yield decode(lake, name, content)
        except OpenESGConfigError as error:
            log.warning("File ignored while old runs are removed: %s", error)


def read_parts(lake: Lake, runs: Sequence[str]) -> list[Manifest]:
    """Return the manifests of the parts that are committed as one run.

    :param runs: run tokens of the parts.
    :raises OpenESGConfigError: if a part is not in this lake.
    """
    parts = []
    for run in runs:
        part = read(lake, manifest_path(PARTS, run))
        if part is None:
            raise OpenESGConfigError(
                f"parts: {run!r} is not in path {lake}. Use the path and the object_storage_conn_id of the tasks that"
                " wrote the parts."
            )
        parts.append(part)
    return parts
