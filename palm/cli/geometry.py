"""Commands of `palm` that need no model: designs, selections, certificates, weights to train next."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

commands = typer.Typer()
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


class Method(StrEnum):
    """Methods of selection."""

    exact = "exact"
    greedy = "greedy"


@commands.command()
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
    import palm
    from palm.artifacts.weights_file import read_weights
    from palm.storage.files import json_text

    errors = Console(stderr=True)
    with errors.status("designing"):
        result = palm.design(
            objectives,
            epsilon=epsilon,
            delta=delta,
            strategy=strategy,
            size=size,
            seed=seed,
            weights=None if weights is None else read_weights(weights),
            time_limit=time_limit,
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


@commands.command()
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
    import palm
    from palm.artifacts.values_file import read_values
    from palm.storage.files import json_text

    table = read_values(values)
    selection = palm.select(table, size, method=method.value, epsilon=epsilon, delta=delta, time_limit=time_limit)
    result = selection.to_dict()
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


@commands.command(name="next")
def next_(
    summary: Annotated[Path, typer.Argument(metavar="SUMMARY", help="summary.json of a build.")],
    target: Annotated[float, typer.Option(help="Gap to the optimum J* to reach, in (0, 1).")] = 0.05,
    batch: Annotated[int, typer.Option(help="Most policies to train at once.")] = 4,
    as_json: Json = False,
) -> None:
    """Choose the preference weights to train next; --json also lists the trained ones, for strategy weights."""
    from palm.builds.next_policies import next_policies
    from palm.storage.files import json_text

    result = next_policies(summary, target=target, batch=batch)
    if as_json:
        typer.echo(json_text(result.model_dump(mode="json")))
        return
    worst = " ".join(f"{weight:.4f}" for weight in result.worst_weights)
    typer.echo(
        f"all trained policies together are within {result.epsilon:.4f} of the optimum for every preference, if J* "
        f"is as estimated from rollouts; worst weights {worst}"
    )
    for weights in result.next:
        typer.echo("train " + " ".join(f"{weight:.6f}" for weight in weights))
    if not result.next:
        typer.echo(f"the target of {target:g} is met")


@commands.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON printed by `palm design` or `palm select`.")],
    as_json: Json = False,
) -> None:
    """Check a saved certificate with independent code; exits with 1 if a line fails."""
    import palm

    result = palm.verify(file)
    if as_json:
        typer.echo(json.dumps({"verified": True, **asdict(result)}, ensure_ascii=False))
        return
    for claim in result.proved:
        typer.echo(f"verified: {claim}")
    for claim in result.not_proved:
        typer.echo(f"not checked: {claim}")
