"""Step: detect whether an input of the portfolio has changed since the last build."""

from dataclasses import dataclass
from pathlib import Path

from palm.builds.abandoned import close_abandoned
from palm.builds.checks.design import check_design
from palm.builds.markdown import plain, verbatim
from palm.builds.rebuild.snapshot import describe_changes, take_snapshot
from palm.builds.records import record_owner
from palm.config.portfolio import PortfolioConfig
from palm.progress import stage
from palm.promotion import promotions
from palm.promotion.past_builds import PastBuild, last_build
from palm.registry.experiment import check_usable
from palm.storage.files import write_text
from palm.storage.store import Store


@dataclass(frozen=True)
class Change:
    """Differences between the inputs now and those of the last build, one line each, and the snapshot of the inputs."""

    changed: bool
    snapshot: dict
    headline: str
    lines: list[str]


def detect_change(config: PortfolioConfig, destination: Path) -> Change:
    """Compare the inputs with those of the last build that the gate has judged, and close abandoned builds.

    Neither PyTorch nor a model is loaded. An input that cannot be read is an error, never "nothing has changed". The
    destination is a Markdown file.
    """
    with stage("detect_change", config.name):
        # Pods may have other rights than the machine that submitted the run.
        Store(config.storage.root).check_writable()
        check_usable(config.registry)
        record_owner(config)
        close_abandoned(config)
        check_design(config)
        change = _compare(config, take_snapshot(config), last_build(promotions(config)))
        body = "".join(f"- {verbatim(line)}\n" for line in change.lines)
        write_text(destination, f"# {plain(change.headline)}\n\n{body}")
    return change


def _compare(config: PortfolioConfig, snapshot: dict, last: PastBuild | None) -> Change:
    if last is None:
        return Change(True, snapshot, f"No portfolio {config.registry.model} is registered yet", [])
    name = f"version {last.version} of {config.registry.model}"
    if not last.finished:
        return Change(True, snapshot, f"The build of {name} did not finish", [])
    if last.snapshot is None:
        return Change(True, snapshot, f"The inputs of {name} are not recorded", [])
    lines = describe_changes(last.snapshot, snapshot)
    judged = {"promoted": ", which was promoted", "refused": ", which the gate refused"}.get(last.verdict, "")
    headline = f"{'Changed' if lines else 'Nothing has changed'} since {name}{judged}"
    return Change(bool(lines), snapshot, headline, lines)
