"""Step: the base model in a local folder, with a digest of it."""

from pathlib import Path

from palm.builds.inputs import BASE_MODEL_RECORD
from palm.builds.reuse import entry_name, keep_folder, reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.models.source import fetch_base_model
from palm.progress import stage
from palm.storage.digest import file_digest, folder_digest
from palm.storage.files import new_folder, write_json
from palm.storage.local_file import local_file
from palm.storage.store import Store


def prepare_base_model(config: PortfolioConfig, destination: Path) -> dict:
    """Fetch or, for a tiny model, train the reference policy, and keep it in the store.

    Args:
        config: the configuration.
        destination: model folder to make.

    Returns:
        ``entry``: its name in the store.

    Raises:
        PalmError: the source is unusable.
    """
    spec = config.base_model
    with stage("prepare_base_model", spec.source) as progress:

        def make(folder: Path) -> None:
            fetch_base_model(spec, folder, progress)
            digest = folder_digest(folder)
            write_json(folder / BASE_MODEL_RECORD, {"digest": digest, "source": spec.source})

        if spec.tiny is not None:
            settings = spec.tiny.model_dump(exclude={"corpus"})
            definition = {"tiny": settings, "corpus": file_digest(local_file(spec.tiny.corpus))}
            reuse_or_make(Store(config.storage.root), "base-model", definition, destination, make)
            return {"entry": entry_name("base-model", definition)}
        with new_folder(destination) as folder:
            make(folder)
        # Named by its files: the same model is kept once, whatever it was fetched from.
        return {"entry": keep_folder(Store(config.storage.root), "base-model", destination)}
