"""Build of the installed torch (CPU or CUDA), as torch reports it; another one than the expected one is refused.

usage: python torch_build.py [cpu | cuda]
"""

import sys
from importlib.metadata import distributions

import torch

_OF_CUDA = ("nvidia-", "cuda-", "triton")


def main() -> str | None:
    """Print one line: version, build, and the size of what it brings."""
    wanted = sys.argv[1] if sys.argv[1:] else None
    installed = {dist.metadata["Name"].lower().replace("_", "-"): dist for dist in distributions()}
    brought = sorted(name for name in installed if name.startswith(_OF_CUDA))
    built = "cpu" if torch.version.cuda is None else "cuda"
    if wanted not in (None, built):
        return f"error: torch {torch.__version__}: is a {built} build, wanted is {wanted}; set TORCH={built}"
    if wanted == "cpu" and brought:
        return (
            f"error: torch {torch.__version__}: beside it are CUDA libraries ({', '.join(brought)}); `make clean` first"
        )
    files = [file for name in ("torch", *brought) for file in installed[name].files or ()]
    megabytes = sum(file.size or 0 for file in files) / 1e6
    label = built if torch.version.cuda is None else f"CUDA {torch.version.cuda}"
    print(f"{torch.__version__} ({label}), {megabytes:.0f} MB" if wanted else f"{torch.__version__} ({label})")
    return None


if __name__ == "__main__":
    sys.exit(main())
