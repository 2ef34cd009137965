"""Packages of the distribution: `palm`, and inside it the folders that stand beside it in the repository."""

from setuptools import find_packages, setup

INSIDE = ("components", "pipelines", "examples")

setup(
    packages=[*find_packages(include=["palm", "palm.*"])]
    + [f"palm.{name}" for folder in INSIDE for name in find_packages(include=[folder, f"{folder}.*"])],
    package_dir={f"palm.{folder}": folder for folder in INSIDE},
)
