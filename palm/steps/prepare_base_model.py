"""Step: the base model in a local folder, with its digest."""

from pathlib import Path

from palm.artifacts.base_model import BaseModel
from palm.builds.checks.base_model import check_base_model
from palm.builds.reuse import entry_name, keep_folder, reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.models.chat import write_chat_template
from palm.models.load import load_tokenizer
from palm.models.prompts import read_prompts
from palm.models.source import fetch_base_model
from palm.progress import stage
from palm.storage.digest import file_digest, folder_digest
from palm.storage.files import new_folder
from palm.storage.local_file import local_file
from palm.storage.store import Store


def prepare_base_model(config: PortfolioConfig, destination: Path) -> str:
    """Fetch or, for a tiny model, train the reference policy, into a folder and the store; returns its name there."""
    spec, store = config.base_model, Store(config.storage.root)
    with stage("prepare_base_model", spec.source) as progress:

        def make(folder: Path) -> None:
            fetch_base_model(spec, folder, progress)
            # A model from a hub or S3 is seen here for the first time, before anything is sampled.
            check_base_model(config, folder, [read_prompts(place) for _, place in config.prompts])
            write_chat_template(folder, load_tokenizer(folder), spec)
            BaseModel(digest=folder_digest(folder), source=spec.source).write(folder)

        if spec.tiny is not None:
            definition = {
                "tiny": spec.tiny.model_dump(exclude={"corpus"}),
                "corpus": file_digest(local_file(spec.tiny.corpus)),
                **spec.chat_settings,
                "schema_version": BaseModel.VERSION,
            }
            reuse_or_make(store, "base-model", definition, destination, make)
            return entry_name("base-model", definition)
        with new_folder(destination) as folder:
            make(folder)
        # Named by its files: a model from two sources is kept once.
        return keep_folder(store, "base-model", destination)
