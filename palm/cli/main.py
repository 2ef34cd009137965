"""The command `palm`: each subcommand is a thin call into the library."""

import json
import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.core import TyperGroup

from palm import __version__
from palm.cli.cluster import commands as cluster
from palm.cli.cluster_options import ConfigPath
from palm.cli.extras import missing_extra
from palm.cli.geometry import Json
from palm.cli.geometry import commands as geometry
from palm.cli.monitoring import commands as monitoring
from palm.cli.promotion import commands as registry
from palm.cli.serving import commands as serving
from palm.cli.smoke import commands as smoke
from palm.cli.storage import commands as storage
from palm.errors import PalmError, WeightsError
from palm.storage.errors import disk_full_errors


class _OneLineErrors(TyperGroup):
    """Prints a `PalmError` or a missing extra in one line and exits with 1; `--debug` shows the traceback."""

    def invoke(self, ctx):
        try:
            with disk_full_errors():
                return super().invoke(ctx)
        except (PalmError, ModuleNotFoundError) as error:
            said = missing_extra(error, ctx.invoked_subcommand) if isinstance(error, ModuleNotFoundError) else error
            if said is None or ctx.params.get("debug"):
                raise
            typer.echo(f"error: {said}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Portfolios of aligned language models: train a few policies, serve every preference.",
)
for _commands in (geometry, cluster, storage, registry, serving, monitoring, smoke):
    app.add_typer(_commands)


class Example(StrEnum):
    """Examples of `palm init`."""

    quickstart = "quickstart"
    gsm8k = "gsm8k"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"palm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", envvar="PALM_DEBUG", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Folder to create.")],
    example: Annotated[Example, typer.Option(help="Example to copy.")] = Example.quickstart,
    data: Annotated[Path | None, typer.Option(help="Folder with train.jsonl and test.jsonl (gsm8k).")] = None,
) -> None:
    """Create a folder with a configuration, rewards and data to start from."""
    from palm.cli.example_files import copy_example

    copy_example(example.value, directory, data)
    typer.echo(f"made {directory}; next: palm run {directory / 'portfolio.yaml'}")


@app.command()
def validate(config: ConfigPath, as_json: Json = False) -> None:
    """Check a configuration, its files and its rewards; --json prints the input `config` of a pipeline."""
    from palm.builds.inputs import check_inputs
    from palm.config.load import load_config
    from palm.pipelines.build_size import check_build_size

    loaded = load_config(config)
    inputs = check_inputs(loaded, gpus_elsewhere=loaded.cluster.training.gpus > 0)
    check_build_size(loaded)
    if as_json:
        typer.echo(loaded.to_json())
        return
    typer.echo(
        f"ok: {loaded.name}, rewards {', '.join(loaded.reward_names)}, {len(inputs.train.texts)} training and "
        f"{len(inputs.evaluation.texts)} held-out prompts"
    )


@app.command()
def schema(
    artifact: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Schema of a file between steps instead, e.g. policy or evaluation."),
    ] = None,
) -> None:
    """Print the JSON schema of the configuration or of an artifact: every key with its range and meaning."""
    from palm.artifacts.schema import artifact_schema
    from palm.config.load import config_schema

    found = config_schema() if artifact is None else artifact_schema(artifact)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def run(
    config: ConfigPath,
    output: Annotated[Path | None, typer.Option(help="Folder of builds; unset: `builds` beside CONFIG.")] = None,
    if_changed: Annotated[bool, typer.Option("--if-changed", help="Build only if an input has changed.")] = False,
    image: Annotated[
        str | None, typer.Option(help="Run every task in a container of this image, without GPUs.")
    ] = None,
) -> None:
    """Build, certify, register and promote a portfolio on this machine."""
    from palm.config.load import load_config
    from palm.local.run import OUTCOME, run_build
    from palm.reporting.terminal import show_summary

    # Bound now: while the pipeline runs, sys.stdout is its log file.
    console = Console(file=sys.stdout)
    folder, summary = run_build(
        load_config(config),
        (output or config.parent / "builds").resolve(),
        console,
        only_if_changed=if_changed,
        image=image,
    )
    if summary is None:
        typer.echo((folder / OUTCOME).read_text(encoding="utf-8").strip())
        return
    # Without a terminal rich assumes 80 columns, which cut the table.
    show_summary(summary, folder, console if console.is_terminal else Console(width=max(140, console.width)))


@app.command()
def generate(
    weights: Annotated[str, typer.Option(help="Preference weights, e.g. 0.6,0.3,0.1.")],
    prompt: Annotated[str, typer.Option(help="Prompt to answer.")],
    config: Annotated[Path, typer.Option(help="Configuration of the portfolio.")] = Path("portfolio.yaml"),
    alias: Annotated[str, typer.Option(help="Alias of the registered version.")] = "champion",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of sampling.")] = 0,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="1: the certified policy; 0: its likeliest response.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Answer a prompt with the policy of a registered portfolio that serves the preference weights best."""
    from palm.config.load import load_config
    from palm.promotion.answer import answer

    try:
        numbers = [float(part) for part in weights.split(",")]
    except ValueError:
        raise WeightsError(
            f"weights={weights!r}", rule="must be numbers separated by commas", remedy="write e.g. 0.6,0.3,0.1"
        ) from None
    result = answer(load_config(config), prompt, numbers, alias=alias, seed=seed, temperature=temperature)
    typer.echo(json.dumps(vars(result)) if as_json else f"[{result.policy}] {result.response}")


def main() -> None:
    """Entry point of the command `palm`."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Warnings of libraries concern their developers; `python -W` still shows them.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    app()
