"""The images: users, content and size."""

import hashlib
import re
from pathlib import Path

import docker
import pytest

from palm import __version__

pytestmark = pytest.mark.container

TARGETS = ["cpu", "gpu"]
HOST_BUNDLES = [Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/ssl/cert.pem"), Path("/etc/pki/tls/cert.pem")]
ENVIRONMENT = {
    *("GIT_PYTHON_REFRESH", "HF_HUB_DISABLE_TELEMETRY", "HOME", "LANG", "LOGNAME", "MLFLOW_DISABLE_TELEMETRY"),
    *("MPLCONFIGDIR", "NVIDIA_DRIVER_CAPABILITIES", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
    *("SSL_CERT_FILE", "TOKENIZERS_PARALLELISM", "XDG_CACHE_HOME"),
}
LARGEST_MB = 1600
SELDOM = re.compile(
    "/transformers/models/(?!auto/|gemma|llama|mistral|phi|qwen)|/databricks/sdk/service/"
    "|/torch/(_inductor|testing/_internal)/"
)
"""Modules that few tasks load and that are compiled then."""
UNCOMPILED = """
from importlib.util import cache_from_source
from pathlib import Path
for root in ("/opt/palm/lib", "/usr/lib/python3.11"):
    for path in Path(root).rglob("*.py"):
        if not Path(cache_from_source(path)).exists():
            print(path)
"""


USES = """
import boto3, datasets, pandas, pyarrow.compute, pyarrow.dataset, torch
import scipy.optimize, sklearn.linear_model, torch._inductor
from transformers import AutoModelForCausalLM, OPTConfig
pandas.DataFrame({"a": [1.0, 2.0]}).to_parquet("/tmp/a.parquet")
assert pyarrow.dataset.dataset("/tmp/a.parquet").to_table().num_rows == 2
assert len(datasets.load_dataset("parquet", data_files="/tmp/a.parquet")["train"]) == 2
for service in ("s3", "sts"):
    boto3.client(service, region_name="us-east-1")
sizes = dict(vocab_size=50, hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2)
AutoModelForCausalLM.from_config(OPTConfig(**sizes, word_embed_proj_dim=16))
torch.multiprocessing.set_sharing_strategy("file_system")
torch.ones(3).share_memory_()
print("all there")
"""


def run(daemon: docker.DockerClient, image, *command: str, user: str = "12345:54321") -> str:
    """As a user that the image has never heard of, with nothing writable but /tmp and no network."""
    return daemon.containers.run(
        image.id, list(command), user=user, read_only=True, tmpfs={"/tmp": ""}, network_mode="none", remove=True
    ).decode()


def find(daemon: docker.DockerClient, image, *tests: str) -> list[str]:
    return run(daemon, image, "find", "/", "-xdev", *tests, user="0").splitlines()


@pytest.mark.parametrize("target", TARGETS)
def test_any_user_runs_it_on_a_read_only_root(daemon, images, target):
    image = images[target]
    assert run(daemon, image, "palm", "--version") == f"palm {__version__}\n"
    imports = "import torch, trl, kfp, mlflow; print(torch.__version__)"
    assert run(daemon, image, "python3", "-c", imports).startswith("2.13.0")
    grid = ("--objectives", "3", "--epsilon", "0.4", "--delta", "0.0125", "--strategy", "palm")
    assert "48 vectors, covered" in run(daemon, image, "palm", "design", *grid)
    assert "made /tmp/mine" in run(daemon, image, "palm", "init", "/tmp/mine")
    drawn = "import matplotlib.pyplot as plt; plt.plot([0, 1]); plt.savefig('/tmp/figure.svg'); print('drawn')"
    assert run(daemon, image, "python3", "-c", drawn) == "drawn\n"


def test_the_image_for_processors_runs_the_mlflow_server(daemon, images):
    assert "--allowed-hosts" in run(daemon, images["cpu"], "mlflow", "server", "--help")
    imports = "import flask_wtf, mlflow.server.auth.cli, psycopg2; print(psycopg2.__version__[:3])"
    assert run(daemon, images["cpu"], "python3", "-W", "ignore", "-c", imports).endswith("2.9\n")


@pytest.mark.parametrize("target", TARGETS)
def test_it_is_not_root_and_says_what_it_is(images, target):
    config = images[target].attrs["Config"]
    assert config["User"] == "65532:65532"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "palm"
    assert labels["org.opencontainers.image.version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.base.name"] == "localhost/palm-base:bookworm"
    # The image for GPUs, made without them, says so.
    assert labels["palm.torch"].endswith(" (cpu)")


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_built_it_is_left(daemon, images, target):
    image = images[target]
    tools = "for tool in gcc g++ cc c++ ld as make pip pip3 git curl wget; do command -v $tool; done; true"
    assert run(daemon, image, "sh", "-c", tools) == ""
    assert find(daemon, image, "-name", "*.whl", "-o", "-path", "*/pip/*", "-o", "-path", "*/.cache/*") == []
    assert find(daemon, image, "-type", "f", "-perm", "/6000") == []
    assert find(daemon, image, "-path", "/opt/*", "-user", "65532") == [], "the user could change the programs"
    assert find(daemon, image, "-path", "/opt/*", "-perm", "/0002", "!", "-type", "l") == []


@pytest.mark.parametrize("target", TARGETS)
def test_no_certificate_or_secret_of_this_machine_is_in_it(daemon, images, target):
    image = images[target]
    named = ["-name", "*.pem", "-o", "-name", "*.crt", "-o", "-name", "*.key", "-o", "-name", ".netrc"]
    certificates = find(daemon, image, "-type", "f", "(", *named, "-o", "-name", "pip.conf", ")")
    assert "/opt/palm/lib/python3.11/site-packages/certifi/cacert.pem" in certificates
    assert all(path.startswith("/opt/palm/lib/python3.11/site-packages/") for path in certificates)
    sums = run(daemon, image, "sha256sum", *certificates)
    for bundle in HOST_BUNDLES:
        if bundle.exists():
            assert hashlib.sha256(bundle.read_bytes()).hexdigest() not in sums
    environment = [variable.partition("=")[0] for variable in image.attrs["Config"]["Env"]]
    assert set(environment) <= ENVIRONMENT
    steps = " ".join(step["CreatedBy"] for step in image.history())
    assert not re.search(r"(?i)password|secret|token=|https?://", steps)


def test_python_finds_everything_compiled(daemon, images):
    for path in run(daemon, images["cpu"], "python3", "-c", UNCOMPILED).splitlines():
        assert SELDOM.search(path), path


@pytest.mark.parametrize("target", TARGETS)
def test_it_is_no_larger_than_promised(daemon, images, target):
    assert images[target].attrs["Size"] < LARGEST_MB * 1e6
    left = find(daemon, images[target], "-path", "/opt/*", "-name", "tests", "-o", "-path", "/opt/*", "-name", "*.h")
    assert left == []
    others = "import importlib.metadata as m; print(*sorted(d.metadata['Name'] for d in m.distributions()))"
    names = set(run(daemon, images[target], "python3", "-c", others).split())
    assert not {"pytest", "ruff", "moto", "hypothesis"} & names, "of the extra dev"


def test_nothing_needed_was_removed(daemon, images):
    """Tables, S3, a model that few have, and tensors that go from process to process."""
    assert run(daemon, images["cpu"], "python3", "-W", "ignore", "-c", USES).endswith("all there\n")


def test_what_is_large_is_one_layer_for_both(images):
    cpu, gpu = (images[target].attrs["RootFS"]["Layers"] for target in TARGETS)
    assert cpu[:-2] == gpu[:-2] and len(cpu) == len(gpu)


def test_building_again_changes_nothing(daemon, images, make_images):
    make_images()
    for image in images.values():
        assert daemon.images.get(image.tags[0]).id == image.id
