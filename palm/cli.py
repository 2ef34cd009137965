"""The command `palm`: every subcommand is a thin call into the library."""

import json
import os
import sys
import warnings
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.core import TyperGroup

from palm import __version__
from palm.errors import PalmError, WeightsError


class _OneLineErrors(TyperGroup):
    """Tells a `PalmError` in one line and exits with 1; `--debug` shows where it came from."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except PalmError as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Portfolios of aligned language models: train a few policies, serve every preference.",
)
ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file (YAML).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


class Example(StrEnum):
    """The examples that `palm init` knows."""

    quickstart = "quickstart"
    gsm8k = "gsm8k"


class Method(StrEnum):
    """How a portfolio is selected."""

    exact = "exact"
    greedy = "greedy"


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
    directory: Annotated[Path, typer.Argument(help="Folder to make.")],
    example: Annotated[Example, typer.Option(help="What to start from.")] = Example.quickstart,
    data: Annotated[Path | None, typer.Option(help="Folder with train.jsonl and test.jsonl (gsm8k).")] = None,
) -> None:
    """Make a folder with a configuration, rewards and data to start from."""
    from palm.example_files import copy_example

    copy_example(example.value, directory, data)
    typer.echo(f"made {directory}; next: palm run {directory / 'portfolio.yaml'}")


@app.command()
def validate(config: ConfigPath, as_json: Json = False) -> None:
    """Check a configuration, its files and its rewards; --json prints what the pipeline takes as its input `config`."""
    from palm.config_file import load_config
    from palm.stages.inputs import check_inputs

    loaded = load_config(config)
    inputs = check_inputs(loaded)
    if as_json:
        typer.echo(loaded.to_json())
        return
    typer.echo(
        f"ok: {loaded.name}, rewards {', '.join(loaded.reward_names)}, {len(inputs.train.texts)} training and "
        f"{len(inputs.evaluation.texts)} held-out prompts"
    )


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration: every key, its range and its meaning."""
    from palm.config_file import config_schema

    typer.echo(json.dumps(config_schema(), indent=2, ensure_ascii=False))


@app.command()
def design(
    objectives: Annotated[int, typer.Option(help="Number of reward functions, d, from 2 to 8.")],
    epsilon: Annotated[float, typer.Option(help="ε' of the cells, in [0, 1).")],
    delta: Annotated[float, typer.Option(help="δ' of the cells, in [0, 1].")],
    strategy: Annotated[str, typer.Option(help="minimal, palm, uniform, random or weights.")] = "palm",
    size: Annotated[int | None, typer.Option(help="Number of vectors (random, uniform), or a cap.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random strategy.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON list of vectors, or a saved design (weights).")
    ] = None,
    time_limit: Annotated[float, typer.Option(min=0, help="Seconds that minimal may search.")] = 120.0,
    as_json: Json = False,
) -> None:
    """Design preference weights and check exactly whether their cells cover the simplex."""
    from palm.deadline import deadline
    from palm.preferences.design import design_grid
    from palm.storage.files import json_text
    from palm.weights_file import read_weights

    errors = Console(stderr=True)
    with errors.status("designing"):
        result = design_grid(
            objectives,
            epsilon=epsilon,
            delta=delta,
            strategy=strategy,
            size=size,
            seed=seed,
            weights=None if weights is None else read_weights(weights),
            seconds_left=deadline(time_limit),
            on_cover=lambda size: errors.print(f"found a cover of {size} vectors", highlight=False),
        ).to_dict()
    if as_json:
        typer.echo(json_text(result))
        return
    coverage = result["coverage"]
    for weights in result["weights"]:
        typer.echo(" ".join(f"{weight:.6f}" for weight in weights))
    typer.echo(f"{result['size']} vectors, {'covered' if coverage['covered'] else 'NOT covered'} (exact check)")
    if not coverage["covered"]:
        point = " ".join(f"{weight:.6f}" for weight in coverage["counterexample"])
        typer.echo(f"{coverage['uncovered_fraction']:.2%} of the simplex is uncovered, for instance {point}")
    typer.echo(f"no cover has fewer than {result['lower_bound']} vectors")


@app.command()
def select(
    values: Annotated[Path, typer.Argument(metavar="VALUES.csv", help="Header policy,<rewards…>,regulariser.")],
    size: Annotated[int, typer.Option(help="Largest number of policies in the portfolio, K.")],
    method: Annotated[Method, typer.Option(help="exact: proven optimal; greedy: the paper's.")] = Method.exact,
    delta: Annotated[float, typer.Option(help="Additive slack δ ≥ 0 of the guarantee.")] = 0.0,
    epsilon: Annotated[float | None, typer.Option(help="ε granted: find the smallest δ instead.")] = None,
    time_limit: Annotated[float, typer.Option(min=0, help="Seconds that exact may search.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Select the best portfolio from a table of measured policies and certify its worst-case gap."""
    from palm.deadline import deadline
    from palm.portfolio.selection import describe_selection
    from palm.portfolio.selection import select as select_policies
    from palm.storage.files import json_text
    from palm.values_file import read_values

    table = read_values(values)
    selection = select_policies(
        table.value_vectors,
        size,
        method=method.value,
        epsilon=epsilon,
        delta=delta,
        seconds_left=deadline(time_limit),
    )
    result = describe_selection(table, selection, size)
    if as_json:
        typer.echo(json_text(result))
        return
    for name in result["portfolio"]:
        typer.echo(f"{name}  serves {result['usage'][name]:.1%}")
    worst = ", ".join(f"{name} {w:.4f}" for name, w in zip(table.reward_names, result["worst_weights"], strict=True))
    if epsilon is None:
        gap = f"worst-case gap {result['epsilon']:.6f} at δ={delta:g} (proven bound {result['epsilon_bound']:.6f})"
    else:
        gap = f"worst-case gap δ={result['delta']:.6f} at ε={epsilon:g} (proven bound {result['delta_bound']:.6f})"
    typer.echo(f"{gap}, worst weights {worst}")
    unused = f"; never the best: {', '.join(result['unused'])}" if result["unused"] else ""
    typer.echo(f"used as evenly as {result['effective_policies']:.2f} equal policies{unused}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `palm design` or `palm select` printed (--json).")],
    as_json: Json = False,
) -> None:
    """Check a saved certificate again, with none of the code that found it; exits with 1 if a line fails."""
    from palm.verification.certificate_file import verify_file

    result = verify_file(file)
    if as_json:
        typer.echo(json.dumps({"verified": True, **asdict(result)}, ensure_ascii=False))
        return
    for claim in result.proved:
        typer.echo(f"verified: {claim}")
    for claim in result.not_proved:
        typer.echo(f"not checked: {claim}")


@app.command()
def run(
    config: ConfigPath,
    output: Annotated[Path | None, typer.Option(help="Folder of builds; unset: `builds` beside CONFIG.")] = None,
) -> None:
    """Build, certify, register and promote a portfolio on this machine."""
    from palm.config_file import load_config
    from palm.local_run import run_build
    from palm.summary_view import show_summary

    # Bound to today's stdout: while the pipeline runs, sys.stdout is its log file.
    console = Console(file=sys.stdout)
    summary = run_build(load_config(config), (output or config.parent / "builds").resolve(), console)
    # Off a terminal rich assumes 80 columns, which would cut the table.
    show_summary(summary, console if console.is_terminal else Console(width=max(140, console.width)))


@app.command()
def generate(
    weights: Annotated[str, typer.Option(help="Preference weights, e.g. 0.6,0.3,0.1.")],
    prompt: Annotated[str, typer.Option(help="What to answer.")],
    config: Annotated[Path, typer.Option(help="Configuration of the portfolio.")] = Path("portfolio.yaml"),
    alias: Annotated[str, typer.Option(help="Which registered version answers.")] = "champion",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of sampling.")] = 0,
    temperature: Annotated[float, typer.Option(min=0.0, help="1: the certified policy; 0: likeliest response.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Answer a prompt with the registered portfolio's policy for some preference weights."""
    from palm.config_file import load_config
    from palm.registry.answer import answer

    try:
        numbers = [float(part) for part in weights.split(",")]
    except ValueError:
        raise WeightsError(
            f"weights={weights!r}", rule="must be numbers separated by commas", remedy="write e.g. 0.6,0.3,0.1"
        ) from None
    result = answer(load_config(config), prompt, numbers, alias=alias, seed=seed, temperature=temperature)
    typer.echo(json.dumps(result) if as_json else f"[{result['policy']}] {result['response']}")


@app.command()
def compile(
    output: Annotated[Path, typer.Option(help="YAML file to write.")] = Path("build_portfolio.yaml"),
) -> None:
    """Compile the pipeline to the YAML that Kubeflow Pipelines takes."""
    from pipelines.compile import compile_pipeline

    compile_pipeline(output)
    typer.echo(f"wrote {output}")


def main() -> None:
    """Entry point of the command `palm`."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # What libraries tell their own developers is not for the reader of an answer; `python -W` still shows it.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    app()
