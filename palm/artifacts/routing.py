"""Routing table of a portfolio folder."""

from typing import Any, ClassVar, Self

from palm.artifacts.base import Artifact, Part


class RoutedPolicy(Part):
    """A policy of the portfolio.

    Attributes:
        policy: its name.
        value_vector: a = R(π) − f(π), length d.
        folder: its folder, relative to the portfolio folder.
    """

    policy: str
    value_vector: tuple[float, ...]
    folder: str


class RecordedBase(Part):
    """The base model of a portfolio.

    Attributes:
        source: ``base_model`` (the folder of that name), a hub id or an ``s3://`` prefix.
        dtype: number format that the portfolio was certified with.
        sha256: digest of `files`.
        files: sha256 of each file, by name; empty in portfolios of the first versions of palm.
    """

    source: str
    dtype: str
    sha256: str
    files: dict[str, str] = {}


class Routing(Artifact):
    """Routing table of a portfolio, with the digests of its files.

    Attributes:
        reward_names: objectives, in the order of the preference weights, length d.
        policies: members of the portfolio.
        base_model: the model that adapters are applied to.
        max_new_tokens: default limit of a response, in tokens.
        sha256: digest of every other file of the portfolio folder, by relative path.
    """

    FILE: ClassVar[str] = "routing.json"
    EMBEDDED: ClassVar[str] = "base_model"
    """Source, and folder in the portfolio folder, of a base model that is part of the portfolio."""

    reward_names: tuple[str, ...]
    policies: tuple[RoutedPolicy, ...]
    base_model: RecordedBase
    max_new_tokens: int
    sha256: dict[str, str]

    @classmethod
    def parse(cls, content: Any, what: str) -> Self:
        """Check content that was read already; arguments and errors as of `Artifact.parse`."""
        # Portfolios that were registered before there were schema versions have the keys of version 1 and no version.
        # They stay in the registry and must still be served.
        return super().parse({"schema_version": 1, **content} if isinstance(content, dict) else content, what)
