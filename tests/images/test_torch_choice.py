"""Choice and check of the build of torch, in the environment and in the images."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from images.conftest import ROOT, SCRIPTS

PLAIN = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_RETRIES": "0"}


def run(*command, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=own | environment, capture_output=True, text=True
    )


def write_wheel(folder: Path, version: str) -> Path:
    """An empty torch that pip takes for one."""
    wheel, info = folder / f"torch-{version}-py3-none-any.whl", f"torch-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        text = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", text)
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class TestWheel:
    """`torch_wheel.sh`: arguments for pip."""

    @pytest.fixture
    def wheel(self, tmp_path, index):
        (tmp_path / "torch-cpu.lock").write_text("# comment\ntorch==9.9+cpu \\\n    --hash=sha256:00\n")

        def ask(build: str, elsewhere: str = "http://127.0.0.1:9/simple") -> subprocess.CompletedProcess:
            places = {"PIP_INDEX_URL": index.uri, "PIP_FIND_LINKS": str(tmp_path), "PYTORCH_INDEX": elsewhere}
            return run(SCRIPTS / "torch_wheel.sh", sys.executable, tmp_path, build, **PLAIN, **places)

        return ask

    def test_the_cpu_build_is_where_pip_finds_one(self, wheel, tmp_path):
        write_wheel(tmp_path, "9.9")
        write_wheel(tmp_path, "9.9+cpu")
        assert wheel("cpu").stdout == f"--requirement {tmp_path}/torch-cpu.lock\n"

    def test_else_it_is_in_pytorchs_index(self, wheel, tmp_path):
        write_wheel(tmp_path, "9.9")
        folder = tmp_path / "index" / "torch"
        folder.mkdir(parents=True)
        name = write_wheel(folder, "9.9+cpu").name
        (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
        there = folder.parent.as_uri()
        assert wheel("cpu", there).stdout == f"--extra-index-url {there} --requirement {tmp_path}/torch-cpu.lock\n"

    def test_else_nothing_is_installed(self, wheel, tmp_path):
        write_wheel(tmp_path, "9.9")
        done = wheel("cpu")
        assert done.returncode == 1 and done.stdout == ""
        assert re.fullmatch(r"error: torch==9\.9\+cpu: no CPU build is found, .* TORCH=cuda\n", done.stderr)

    def test_the_cuda_build_has_a_lock_of_its_own(self, wheel, tmp_path):
        assert wheel("cuda").stdout == f"--requirement {tmp_path}/torch-cuda.lock\n"


class TestBuild:
    """`torch_build.py`: the installed build."""

    @pytest.fixture
    def build(self, tmp_path):
        def ask(version: str, cuda: str | None, *wanted: str, beside: tuple[str, ...] = ()):
            (tmp_path / "torch").mkdir()
            (tmp_path / "torch" / "__init__.py").write_text(
                f"import types\n__version__ = {version!r}\nversion = types.SimpleNamespace(cuda={cuda!r})\n"
            )
            for name in ("torch", *beside):
                info = tmp_path / f"{name}-1.0.dist-info"
                info.mkdir()
                (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
                (info / "RECORD").write_text(f"{name}/lib.so,,5000000\n")
            # Without the site's packages, among which is a real torch.
            return run(sys.executable, "-S", SCRIPTS / "torch_build.py", *wanted, PYTHONPATH=str(tmp_path))

        return ask

    def test_it_says_which_one_and_how_large(self, build):
        assert build("2.13.0+cpu", None, "cpu").stdout == "2.13.0+cpu (cpu), 5 MB\n"

    def test_cuda_counts_what_it_brings(self, build):
        done = build("2.13.0", "13.0", "cuda", beside=("nvidia_cublas", "triton"))
        assert done.stdout == "2.13.0 (CUDA 13.0), 15 MB\n"

    def test_the_label_is_of_what_is_there(self, build):
        assert build("2.13.0", "13.0").stdout == "2.13.0 (CUDA 13.0)\n"

    @pytest.mark.parametrize(("cuda", "wanted"), [("13.0", "cpu"), (None, "cuda")])
    def test_another_build_than_was_asked_for_is_refused(self, build, cuda, wanted):
        done = build("2.13.0", cuda, wanted)
        assert done.returncode == 1 and f"wanted is {wanted}" in done.stderr and done.stdout == ""

    def test_cuda_libraries_beside_a_cpu_build_are_refused(self, build):
        done = build("2.13.0+cpu", None, "cpu", beside=("nvidia_cublas",))
        assert done.returncode == 1 and "nvidia-cublas" in done.stderr


class TestMake:
    """TORCH of `make install` and `make images`."""

    @pytest.fixture
    def make(self, tmp_path):
        tools = tmp_path / "tools"
        tools.mkdir()

        def plan(target: str, *settings: str, driver: bool = False) -> subprocess.CompletedProcess:
            smi = tools / "nvidia-smi"
            smi.write_text(f"#!/bin/sh\nexit {0 if driver else 1}\n")
            smi.chmod(0o755)
            path = f"{tools}:{os.environ['PATH']}"
            folders = (f"VENV={tmp_path}/venv", f"WHEELS={tmp_path}/wheelhouse")
            return run("make", "--dry-run", target, *folders, *settings, PATH=path)

        return plan

    @pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="a machine with a driver is always cuda")
    @pytest.mark.parametrize(("driver", "build"), [(True, "cuda"), (False, "cpu")])
    def test_auto_is_cuda_only_where_a_driver_is(self, make, driver, build):
        done = make("install", driver=driver)
        assert f"torch_build.py {build}" in done.stdout and f" {build})" in done.stdout, done.stderr
        assert ("torch-cuda" in make("wheelhouse", driver=driver).stdout) is driver

    @pytest.mark.parametrize("build", ["cpu", "cuda"])
    def test_what_is_asked_for_is_taken(self, make, build):
        assert f"torch_build.py {build}" in make("install", f"TORCH={build}", driver=build == "cpu").stdout
        assert ("torch-cuda" in make("wheelhouse", f"TORCH={build}").stdout) is (build == "cuda")

    def test_auto_keeps_what_was_chosen_before(self, make, tmp_path):
        (tmp_path / "venv").mkdir()
        (tmp_path / "venv" / ".torch-cuda").touch()
        assert "torch_build.py cuda" in make("install").stdout

    def test_anything_else_is_refused(self, make):
        done = make("install", "TORCH=gpu")
        assert done.returncode != 0 and "TORCH=gpu: must be auto, cpu or cuda" in done.stderr


DOCKER = """#!/bin/sh
echo "$*" >>"$LOG"
case $1 in
run) cat >/dev/null; echo "2.13.0 (CUDA 13.0)" ;;
build) cat >"$LOG.$(wc -l <"$LOG")" ;;
image) echo 1500000000 ;;
esac
"""
"""Docker's command line as `build.sh` uses it, for an image that holds a CUDA build."""


@pytest.fixture
def images(tmp_path):
    """Run `build.sh` on an empty wheelhouse; its output, and every call of docker with its input."""

    def build(*arguments: str) -> tuple[str, list[tuple[str, str]]]:
        shutil.copytree(SCRIPTS, tmp_path / "components" / "images")
        wheelhouse, log = tmp_path / "wheelhouse", tmp_path / "log"
        for part in ("installer", "third-party", "torch-cpu", "torch-cuda", "palm"):
            (wheelhouse / part).mkdir(parents=True)
        (wheelhouse / "palm" / "palm_portfolio-0.1.0-py3-none-any.whl").touch()
        (tmp_path / "docker").write_text(DOCKER)
        (tmp_path / "docker").chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log)}
        done = run("components/images/build.sh", wheelhouse, "base", *arguments, folder=tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        inputs = {int(path.suffix[1:]): path.read_bytes() for path in tmp_path.glob("log.*")}
        calls = log.read_text().splitlines()
        return done.stdout, [(call, inputs.get(n, b"").decode("latin-1")) for n, call in enumerate(calls, 1)]

    return build


def test_the_label_is_what_the_image_holds_not_what_was_asked_for(images):
    said, calls = images("cpu", "cpu")
    name = "localhost/palm:0.1.0-cpu"
    labelled = [given for call, given in calls if call == f"build --quiet --tag {name} -"]
    assert labelled == [f'FROM {name}\nLABEL palm.torch="2.13.0 (CUDA 13.0)"\n']
    assert f"{name} 1500 MB, torch 2.13.0 (CUDA 13.0)" in said
    assert "palm.torch" not in (SCRIPTS / "Containerfile").read_text()


@pytest.mark.parametrize(
    ("asked", "found", "builds"), [("auto", "cpu", ""), ("cpu", "cpu", "cpu"), ("cuda", "cuda", "cuda")]
)
def test_an_image_for_gpus_without_cuda_is_made_on_request_only(images, asked, found, builds):
    said, calls = images(asked, found)
    gpu = [call for call, _ in calls if "--target gpu" in call]
    assert [re.search(r"TORCH=(\w+)", call)[1] for call in gpu] == [builds] * bool(builds)
    assert ("no image for GPUs" in said) is not bool(builds)


def test_every_image_is_checked_while_it_is_built():
    stages = re.split(r"^FROM ", (SCRIPTS / "Containerfile").read_text(), flags=re.MULTILINE)
    palm = next(stage for stage in stages if " AS palm\n" in stage.splitlines(keepends=True)[0])
    assert 'RUN python /wheels/torch_build.py "${TORCH}"' in palm
    for target in ("cpu", "gpu"):
        (stage,) = [stage for stage in stages if stage.startswith(f"runtime AS {target}\n")]
        assert "COPY --from=palm " in stage, "without it the check would not be run"
