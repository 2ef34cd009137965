"""A Docker daemon of the tests' own, and the project's images in it; without one the tests fail, not skip."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException
from docker.models.images import Image

from palm import __version__

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
STOP_SECONDS = 60


@pytest.fixture(scope="session")
def daemon() -> Iterator[docker.DockerClient]:
    """A client of an empty daemon of the tests' own, named by DOCKER_HOST."""
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.fail("container tests need root and dockerd: apt-get install docker.io debootstrap")
    folder = Path(tempfile.mkdtemp(prefix="palm-docker-"))
    address = f"unix://{folder}/docker.sock"
    log = folder / "dockerd.log"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    command = ["dockerd", "--host", address, *(f"--{name}={folder / place}" for name, place in places.items())]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", address)
            client = _connected(process, log)
            yield client
            client.close()
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        _remove(folder)


def _connected(process: subprocess.Popen, log: Path) -> docker.DockerClient:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return docker.from_env()
        except DockerException:
            time.sleep(0.2)
    pytest.fail(f"dockerd does not run here; the end of its log:\n{log.read_text()[-3000:]}")


def _remove(folder: Path) -> None:
    # The daemon leaves the network namespace of its host mounted.
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed(mounted):
        if Path(place).is_relative_to(folder):
            subprocess.run(["umount", place], check=True)
    # Hundreds of thousands of files, which rm removes several times faster than Python.
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture(scope="session")
def make_images(daemon) -> Callable[[], str]:
    """`make images`, as a person says it; the gpu image gets the torch that this machine can use."""

    def make() -> str:
        run = subprocess.run(["make", "images", "TORCH=cpu"], cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    return make


@pytest.fixture(scope="session")
def images(daemon, make_images, request) -> dict[str, Image]:
    output = make_images()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{output}", end="")
    return {target: daemon.images.get(f"localhost/palm:{__version__}-{target}") for target in ("cpu", "gpu")}


@pytest.fixture(scope="session")
def image(images) -> str:
    return f"localhost/palm:{__version__}-cpu"
