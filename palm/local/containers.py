"""Containers for the tasks of a local build: their folders, user and end."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from palm.config.locations import with_places
from palm.config.pods import SECRET_KEYS
from palm.config.portfolio import PortfolioConfig
from palm.errors import BuildError

_LABEL = "palm.build"
_SHARED_MEMORY = "1g"


def check_image(image: str) -> None:
    """Check that Docker has an image."""
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        with contextlib.closing(docker.from_env()) as client:
            client.images.get(image)
    except ImageNotFound as error:
        raise BuildError(
            f"image={image}", rule="is not on this machine", remedy="make it with `make images`, or pull it"
        ) from error
    except DockerException as error:
        raise BuildError(
            f"image={image}",
            rule=f"no Docker daemon answers ({error})",
            remedy="start it (systemctl start docker), set DOCKER_HOST, or leave --image out",
        ) from error


@contextlib.contextmanager
def container_runner(config: PortfolioConfig, folder: Path, environment: dict[str, str]) -> Iterator:
    """A `kfp.local.DockerRunner`, whose containers end with the block at the latest.

    Files and folders of the configuration, and the build's folder, are mounted at their own paths.
    """
    import docker
    from kfp import local

    inherited = {name: os.environ[name] for name in SECRET_KEYS if name in os.environ}
    with contextlib.closing(docker.from_env()) as client, _ended(client, folder.name):
        yield local.DockerRunner(
            mounts=_mounts(config, folder),
            environment={**inherited, **environment},
            # Files that a task writes belong to the user who started the build, as without containers.
            user=f"{os.getuid()}:{os.getgid()}",
            # localhost in the configuration is this machine.
            network_mode="host",
            shm_size=_SHARED_MEMORY,
            labels={_LABEL: folder.name},
        )


def mounted_paths(config: PortfolioConfig) -> tuple[set[Path], set[Path]]:
    """Local files and folders that tasks read, and folders that they write; the configuration has absolute paths."""
    read, written = [], [config.storage.root]

    def noted(place: str) -> str:
        # A function may read files beside its own.
        read.append(str(Path(place).parent) if place.endswith(".py") else place)
        return place

    with_places(config, file=noted, model=noted)
    database = config.registry.tracking_uri.removeprefix("sqlite:///")
    # Beside its file SQLite keeps a journal and palm the artifacts.
    written.append(str(Path(database).parent) if database.startswith("/") else "")
    return _absolute(read), _absolute(written)


def _absolute(paths: list[str]) -> set[Path]:
    return {Path(path) for path in paths if path.startswith("/")}


def _mounts(config: PortfolioConfig, folder: Path) -> list:
    from docker.types import Mount

    read, written = mounted_paths(config)
    written |= {folder}
    for path in written:
        path.mkdir(parents=True, exist_ok=True)
    return [Mount(str(path), str(path), type="bind", read_only=path not in written) for path in sorted(read | written)]


@contextlib.contextmanager
def _ended(client, build: str) -> Iterator[None]:
    """Remove the build's containers when the block ends or on a signal to stop; KFP would wait for them."""
    from docker.errors import APIError

    def remove() -> None:
        for container in client.containers.list(filters={"label": f"{_LABEL}={build}"}, ignore_removed=True):
            # A container that has just ended is being removed already.
            with contextlib.suppress(APIError):
                container.remove(force=True)

    def stop(number, _frame) -> None:
        remove()
        signal.signal(number, before[number])
        signal.raise_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        remove()
