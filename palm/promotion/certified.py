"""Versions as they were certified, by the promotion log and by their own tags."""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.promotion.log import PromotionLog
from palm.registry.client import Client
from palm.registry.integrity import Verified, certified_digest, download_verified, verify_version
from palm.registry.version import existing_version


class Certified:
    """The certified versions of one portfolio.

    Every method fails with `RegistryError` if there is no such version, and with `ModelError` if it is not, file by
    file, what was certified.
    """

    def __init__(self, client: Client, model: str, log: PromotionLog):
        self._client, self._model, self._log = client, model, log

    def manifest(self, version: str) -> str:
        """Digest of a version's manifest; empty if it was registered without one. The files are not looked at."""
        return certified_digest(existing_version(self._client, self._model, version), self._log.manifest(version))

    def download(self, version: str, destination: Path) -> Verified:
        """Download a version into an empty folder and check it."""
        logged = self._log.manifest(version)
        return download_verified(self._client, self._model, version, destination, logged=logged)

    def verified_manifest(self, version: str, *, logged: str) -> str:
        """Download a version, check it, and return the digest of its manifest.

        Args:
            logged: the digest by the log, which the caller has read; empty if it has none.
        """
        with TemporaryDirectory() as scratch:
            return download_verified(self._client, self._model, version, Path(scratch), logged=logged).manifest

    def check(self, version: str, folder: Path) -> Verified:
        """Check a version that is in a folder already."""
        return verify_version(folder, self.manifest(version), f"{self._model} version {version}")
