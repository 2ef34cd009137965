"""Rewards that are sequence classifiers: the score of one label for a prompt and its response."""

import logging
from collections.abc import Callable
from pathlib import Path

from palm.config.rewards import Classifier, MlflowModel
from palm.errors import ModelError, RewardError
from palm.models.source import model_digests
from palm.rewards.classifier.files import fetch_model_files
from palm.rewards.classifier.sequence_model import load_sequence_model
from palm.rewards.loaded import Loaded, reward_name
from palm.storage.digest import value_digest

logger = logging.getLogger(__name__)

# Tokenizers that know no limit give a number far above this.
_NO_LIMIT = 10**9
_SUFFIX = "ForSequenceClassification"


def load_classifier(spec: Classifier) -> Loaded:
    """Open the classifier behind an hf: or s3:// URI, as `open_classifier`; its identity holds the revision as well."""
    folder = fetch_model_files(spec)
    loaded = open_classifier(spec, weights=folder, tokenizer=folder)
    return Loaded(loaded.function, {**loaded.identity, "revision": spec.revision})


def open_classifier(spec: Classifier | MlflowModel, *, weights: Path, tokenizer: Path) -> Loaded:
    """Open a classifier on this machine; its weights are read when the function is first called.

    Args:
        weights: folder with config.json and safetensors weights.
        tokenizer: folder with the tokenizer.

    Returns:
        Its identity is the content of the files and the options that decide a value.

    Raises:
        RewardError: the folder holds no classifier, or it has no such label or output.
    """
    config = _read_config(spec, weights)
    label = _label(spec, config)
    activation = _activation(spec, config)
    encode = _encoder(spec, config, tokenizer)
    digests = model_digests(weights)
    files = {"weights": digests, "tokenizer": digests if tokenizer == weights else model_digests(tokenizer)}
    digest = value_digest(digests)

    def function(prompts: list[str], responses: list[str], **fields: list):
        names, inputs = encode(prompts, responses)
        try:
            model = load_sequence_model(weights, digest, spec.dtype, names)
        except ModelError as error:
            raise RewardError(f"reward {spec.name!r}", rule=str(error), remedy=f"fix {spec.uri}") from error
        return activation(model.logits(inputs, spec.batch_size))[:, label].numpy()

    options = {"label": label, "output": spec.output, "max_tokens": spec.max_tokens, "dtype": spec.dtype}
    return Loaded(function, {"classifier": files, **options})


def _read_config(spec: Classifier | MlflowModel, folder: Path):
    from transformers import AutoConfig

    if not any(folder.glob("*.safetensors")):
        raise RewardError(
            reward_name(spec),
            rule="holds no *.safetensors (pickled weights such as pytorch_model.bin are never read)",
            remedy="save it with model.save_pretrained(folder)",
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # As in `palm.models.load`.
        raise RewardError(
            reward_name(spec),
            rule=f"its config.json cannot be read ({error})",
            remedy="give a model that transformers knows without code of its own",
        ) from error
    made_for = config.architectures or ["nothing in particular"]
    if not any(name.endswith(_SUFFIX) for name in made_for):
        raise RewardError(
            reward_name(spec),
            rule=f"is a {', '.join(made_for)}, not a …{_SUFFIX}",
            remedy="give a model that was trained for sequence classification",
        )
    return config


def _label(spec: Classifier | MlflowModel, config) -> int:
    names = [str(config.id2label[index]) for index in range(config.num_labels)]
    shown = f"its labels are {', '.join(f'{i}: {name}' for i, name in enumerate(names[:20]))}"
    if spec.label is None:
        if len(names) > 1:
            raise RewardError(
                reward_name(spec), rule=f"has {len(names)} labels, and none is chosen", remedy=f"set label; {shown}"
            )
        return 0
    index = spec.label if isinstance(spec.label, int) else names.index(spec.label) if spec.label in names else -1
    if not 0 <= index < len(names):
        raise RewardError(f"{reward_name(spec)}: label={spec.label!r}", rule="does not exist", remedy=shown)
    return index


def _activation(spec: Classifier | MlflowModel, config) -> Callable:
    if spec.output == "logit":
        return lambda logits: logits
    if config.problem_type == "regression":
        raise RewardError(
            f"{reward_name(spec)}: output=probability",
            rule="the model was trained for regression and gives no probabilities",
            remedy="set output: logit and a normalisation",
        )
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return lambda logits: logits.sigmoid()
    return lambda logits: logits.softmax(dim=-1)


def _encoder(spec: Classifier | MlflowModel, config, folder: Path) -> Callable:
    """Make the function from prompts and responses to the model's inputs: two turns of a chat, or a pair of texts."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="right", trust_remote_code=False)
    except Exception as error:  # As in `palm.models.load`.
        raise RewardError(
            reward_name(spec),
            rule=f"its tokenizer cannot be loaded ({error})",
            remedy="save it there with tokenizer.save_pretrained(folder)",
        ) from error
    limit = _limit(spec, config, tokenizer)

    def tokenised(prompts: list[str], responses: list[str], **options):
        if tokenizer.chat_template is None:
            return tokenizer(prompts, responses, verbose=False, **options)
        turns = [
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
            for prompt, response in zip(prompts, responses, strict=True)
        ]
        # Templates write their special tokens themselves.
        texts = tokenizer.apply_chat_template(turns, tokenize=False)
        return tokenizer(texts, add_special_tokens=False, verbose=False, **options)

    def encode(prompts: list[str], responses: list[str]) -> tuple[tuple[str, ...], list[dict[str, list[int]]]]:
        encoded = tokenised(prompts, responses)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        if limit is not None and max(lengths) > limit:
            too_long = [index for index, length in enumerate(lengths) if length > limit]
            if spec.max_tokens is None:
                first = too_long[0]
                raise RewardError(
                    f"reward {spec.name!r}: response {first} ({responses[first][:60]!r}) with its prompt",
                    rule=f"has {lengths[first]} tokens, the model reads {limit}",
                    remedy=f"set max_tokens: {limit} to cut such inputs, or give a model that reads more",
                )
            logger.warning(
                "reward %r: %d of %d inputs were cut to max_tokens=%d (the longest has %d)",
                spec.name,
                len(too_long),
                len(lengths),
                limit,
                max(lengths),
            )
            encoded = tokenised(prompts, responses, truncation=True, max_length=limit)
        names = tuple(encoded.keys())
        return names, [
            dict(zip(names, values, strict=True)) for values in zip(*(encoded[name] for name in names), strict=True)
        ]

    return encode


def _limit(spec: Classifier | MlflowModel, config, tokenizer) -> int | None:
    """Find the most tokens of an input; None if neither the model nor the user sets a limit."""
    known = [getattr(config.get_text_config(), "max_position_embeddings", None), tokenizer.model_max_length]
    known = [limit for limit in known if isinstance(limit, int) and 0 < limit < _NO_LIMIT]
    if spec.max_tokens is not None and spec.max_tokens > min(known, default=spec.max_tokens):
        raise RewardError(
            f"{reward_name(spec)}: max_tokens={spec.max_tokens}",
            rule=f"the model reads at most {min(known)} tokens",
            remedy="lower it",
        )
    return min(known, default=None) if spec.max_tokens is None else spec.max_tokens
