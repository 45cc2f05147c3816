"""A folder of exported models that fits its manifest at every moment, whatever ends the process."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from slimsr.exported.manifest import NAME, Manifest, digest, write_manifest
from slimsr.files.leftovers import remove_leftovers, temporary_folder
from slimsr.files.locks import locked
from slimsr.files.writing import cannot_write, open_to_others, put


@contextlib.contextmanager
def exporting(folder: Path) -> Iterator[Path]:
    """Hold a folder for one export, tidy it, and yield an empty one to put the models in.

    Args:
        folder: that exists.

    Raises:
        OutputError: another process holds the folder; no permission, no space.
    """
    with locked(folder, "give another --output"):
        remove_leftovers(folder)
        remove_leftovers(Path(os.path.realpath(folder)).parent)
        try:
            with temporary_folder(_place(folder)) as temporary:
                models = Path(temporary) / "models"
                models.mkdir()
                yield models
        except OSError as error:
            raise cannot_write(folder, error) from error


def _place(folder: Path) -> Path:
    """Return where the models are gathered: beside a new folder, that one rename replaces it."""
    parent = Path(os.path.realpath(folder)).parent
    new = not any(os.scandir(folder)) and os.access(parent, os.W_OK | os.X_OK)
    new &= not os.path.samefile(folder, os.curdir)  # whoever works in it would be in no folder
    return parent if new and parent.stat().st_dev == folder.stat().st_dev else folder


def publish(models: Path, folder: Path, before: Manifest | None, manifest: Manifest) -> None:
    """Move models into their folder and list them, so that its manifest is true at every moment.

    Args:
        models: from `exporting`, with those of the manifest's files that are new.
        folder: where they go.
        before: the manifest that the folder has.
        manifest: that it gets.

    Raises:
        OutputError: a folder is in the way, which is found before anything is changed.
        OSError: no space.
    """
    for path in (folder / model.file for model in manifest.models):
        if path.is_dir():
            raise cannot_write(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    if not any(os.scandir(folder)) and _replaced_whole(models, folder, manifest):
        return
    # What the manifest lists keeps its name and content until the next one lists the new file by
    # another name; then the name is free.
    listed = {model.file: model.sha256 for model in before.models} if before else {}
    moved: dict[str, str] = {}
    for model in manifest.models:
        new, path = models / model.file, folder / model.file
        if not new.exists():
            continue
        if model.file not in listed:
            put(new, path)
        elif not path.is_file() or digest(path) != model.sha256:
            moved[model.file] = aside(model.file)
            put(new, folder / moved[model.file])
    if moved:
        write_manifest(folder, _renamed(manifest, moved))
        for name, other in moved.items():
            _copy(folder / other, models / name)
            put(models / name, folder / name)
    write_manifest(folder, manifest)
    files = {model.file for model in manifest.models}
    for other in {aside(name) for name in files} - files:
        (folder / other).unlink(missing_ok=True)


def aside(name: str) -> str:
    """Return the name that a model has while one by its own name is still listed."""
    path = Path(name)
    return f"{path.stem}.new{path.suffix}"


def _replaced_whole(models: Path, folder: Path, manifest: Manifest) -> bool:
    """Let the gathered models become the folder itself; tell whether that could be done."""
    target = Path(os.path.realpath(folder))
    is_like, ours = target.stat(), models.stat()
    if models.parent.parent != target.parent or (is_like.st_uid, is_like.st_gid) != (
        ours.st_uid,
        ours.st_gid,
    ):
        return False
    for model in manifest.models:
        open_to_others(models / model.file)
    write_manifest(models, manifest)
    try:
        os.chmod(models, is_like.st_mode & 0o7777)
        os.rename(models, target)
    except OSError:  # a mount point; a mount that cannot rename folders
        (models / NAME).unlink()
        return False
    return True


def _renamed(manifest: Manifest, names: Mapping[str, str]) -> Manifest:
    def renamed(rows: tuple) -> tuple:
        return tuple(dataclasses.replace(row, file=names.get(row.file, row.file)) for row in rows)

    latency = manifest.latency
    if latency is not None:
        latency = dataclasses.replace(latency, models=renamed(latency.models))
    return dataclasses.replace(manifest, models=renamed(manifest.models), latency=latency)


def _copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
