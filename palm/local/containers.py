"""Containers for the tasks of a local build: which folders they see, as whom they run, how they end."""

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
    """Ask Docker for an image, before anything is started.

    Args:
        image: its name.

    Raises:
        BuildError: no Docker daemon answers, or it does not have the image.
    """
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
def container_runner(config: PortfolioConfig, *, folder: Path, environment: dict[str, str]) -> Iterator:
    """KFP's runner of containers, which end with the block at the latest.

    Args:
        config: the configuration; its files and folders are mounted where they are.
        folder: the build's folder.
        environment: variables of every task.

    Yields:
        A `kfp.local.DockerRunner`.
    """
    import docker
    from kfp import local

    inherited = {name: os.environ[name] for name in SECRET_KEYS if name in os.environ}
    with contextlib.closing(docker.from_env()) as client, _ended(client, folder.name):
        yield local.DockerRunner(
            mounts=_mounts(config, folder),
            environment={**inherited, **environment},
            # What a task writes belongs to who started the build, as without containers.
            user=f"{os.getuid()}:{os.getgid()}",
            # A server that the configuration calls localhost is the one of this machine.
            network_mode="host",
            shm_size=_SHARED_MEMORY,
            labels={_LABEL: folder.name},
        )


def mounted_paths(config: PortfolioConfig) -> tuple[set[Path], set[Path]]:
    """The local files and folders of a configuration.

    Args:
        config: a configuration with absolute paths.

    Returns:
        Those that tasks read, and the folders that they write.
    """
    read, written = [], [config.storage.root]

    def noted(place: str) -> str:
        # A function may read what is beside it.
        read.append(str(Path(place).parent) if place.endswith(".py") else place)
        return place

    with_places(config, file=noted, model=noted)
    database = config.registry.tracking_uri.removeprefix("sqlite:///")
    # SQLite keeps a journal beside its file, and palm the artifacts.
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
    """Remove the build's containers when the block ends or this process is told to; KFP would wait for them."""
    from docker.errors import APIError

    def remove() -> None:
        for container in client.containers.list(filters={"label": f"{_LABEL}={build}"}, ignore_removed=True):
            # One that has just ended is being removed already.
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
