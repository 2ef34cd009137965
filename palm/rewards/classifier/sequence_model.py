"""Sequence classifiers in memory: token ids in, logits out, the same whatever shares the batch."""

import functools
import inspect
import os
from dataclasses import dataclass
from pathlib import Path

from palm.errors import ModelError

# A pad id that no text holds: the classifier's own search for the last real token then finds the last one.
_NO_PAD = -1


@dataclass(frozen=True)
class SequenceModel:
    """A classifier ready for use.

    Attributes:
        model: `transformers.PreTrainedModel` in eval mode.
        keys: which of the tokenizer's outputs it takes, ``input_ids`` first.
        pads: whether inputs of different lengths may share a batch.
    """

    model: object
    keys: tuple[str, ...]
    pads: bool

    def logits(self, inputs: list[dict[str, list[int]]], batch_size: int):
        """Classify inputs, each a dict of the tokenizer's outputs: float64 logits on the CPU, shape (n, labels)."""
        import torch

        lengths = [len(entry["input_ids"]) for entry in inputs]
        order = sorted(range(len(inputs)), key=lengths.__getitem__)
        rows = [None] * len(inputs)
        start = 0
        with torch.no_grad():
            while start < len(order):
                batch = order[start : start + batch_size]
                if not self.pads:
                    batch = [index for index in batch if lengths[index] == lengths[batch[0]]]
                for index, row in zip(batch, self._forward([inputs[index] for index in batch]), strict=True):
                    rows[index] = row
                start += len(batch)
        return torch.stack(rows)

    def _forward(self, inputs: list[dict[str, list[int]]]):
        import torch

        pad = self.model.config.get_text_config().pad_token_id
        width = max(len(entry["input_ids"]) for entry in inputs)

        def padded(values: list[int], filler: int) -> list[int]:
            # On the right: models with absolute positions count them from the first real token.
            return values + [filler] * (width - len(values))

        tensors = {
            key: torch.tensor([padded(entry[key], pad if key == "input_ids" else 0) for entry in inputs])
            for key in self.keys
        }
        mask = torch.tensor([padded([1] * len(entry["input_ids"]), 0) for entry in inputs])
        tensors = {key: tensor.to(self.model.device) for key, tensor in {**tensors, "attention_mask": mask}.items()}
        return self.model(**tensors).logits.double().cpu()


@functools.lru_cache(maxsize=8)
def load_sequence_model(folder: Path, digest: str, dtype: str, names: tuple[str, ...]) -> SequenceModel:
    """Load a classifier on the GPU if there is one, else on the CPU; once for each content.

    Args:
        digest: of the folder's content, so that another content is loaded again.
        dtype: ``float32`` or ``bfloat16``.
        names: outputs of the tokenizer, of which the model takes those that it knows.

    Raises:
        ModelError: the folder holds no trained classifier.
    """
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # As in `palm.models.load`.
        raise ModelError(
            f"classifier {folder}",
            rule=f"cannot be loaded ({error})",
            remedy="save it again with model.save_pretrained(folder)",
        ) from error
    if info["missing_keys"]:
        # They would be initialised at random, with no more than a warning.
        raise ModelError(
            f"classifier {folder}",
            rule=f"has no weights for {', '.join(sorted(info['missing_keys'])[:3])}: it is not a trained classifier",
            remedy="give a model that was trained for sequence classification",
        )
    model = model.to(_device()).eval()
    takes = inspect.signature(model.forward).parameters
    keys = ("input_ids", *(name for name in names if name in takes and name not in ("input_ids", "attention_mask")))
    text_config = model.config.get_text_config()
    if text_config.pad_token_id is None:
        text_config.pad_token_id = _NO_PAD
        return SequenceModel(model, keys, pads=False)
    return SequenceModel(model, keys, pads=_padding_is_harmless(model, keys))


def _device() -> str:
    import torch

    # Rewards are called in threads of their own, which do not inherit the device of a distributed process.
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def _padding_is_harmless(model, keys: tuple[str, ...]) -> bool:
    """Try padding: some architectures read a fixed place, or shift positions, when the input is padded."""
    import torch

    pad = model.config.get_text_config().pad_token_id
    ids = [token for token in range(min(8, model.config.get_text_config().vocab_size)) if token != pad][:4]
    short = {key: ids if key == "input_ids" else [0] * len(ids) for key in keys}
    long = {key: values * 3 for key, values in short.items()}
    trial = SequenceModel(model, keys, pads=True)
    try:
        alone, together = trial.logits([short], 1)[0], trial.logits([short, long], 2)[0]
    except (ValueError, RuntimeError, IndexError):
        # Some want tokens of their own in every input, which these lack; without padding they are right as well.
        return False
    tolerance = 1e-4 if model.dtype == torch.float32 else 2e-2
    return torch.allclose(alone, together, rtol=tolerance, atol=tolerance)
