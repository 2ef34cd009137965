"""A selection with the names of its policies and rewards."""

from dataclasses import dataclass
from typing import Any

from palm.geometry.portfolio.selection import Selection, SelectionReport, describe_selection
from palm.geometry.portfolio.values import ValueTable


@dataclass(frozen=True, eq=False)
class NamedSelection:
    """A portfolio that was selected from a table of values.

    Attributes:
        selection: members as rows of the table, the certificate, and the proven bound.
        size: the size that was asked for.
    """

    table: ValueTable
    selection: Selection
    size: int

    @property
    def portfolio(self) -> tuple[str, ...]:
        """Names of the members."""
        return tuple(self.table.names[index] for index in self.selection.indices)

    @property
    def epsilon(self) -> float:
        """Multiplicative part ε of the certified worst-case gap."""
        return self.selection.epsilon

    @property
    def delta(self) -> float:
        """Additive part δ of the certified worst-case gap."""
        return self.selection.delta

    @property
    def worst_weights(self) -> dict[str, float]:
        """The preference weights that need this gap, by reward."""
        return dict(zip(self.table.reward_names, map(float, self.selection.worst_weights), strict=True))

    def best(self, weights: Any) -> str:
        """Name the member that serves preference weights best.

        Args:
            weights: shape (d,), summing to 1.

        Raises:
            WeightsError: the weights are not on the simplex.
        """
        return self.table.subset(self.portfolio).best(weights)

    def to_dict(self) -> SelectionReport:
        """Give the certificate as plain values, as `palm select --json` prints it and `palm verify` checks it."""
        return describe_selection(self.table, self.selection, self.size)
