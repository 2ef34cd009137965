"""A small Llama with its own tokenizer, trained from scratch on a corpus of prompt/response pairs."""

from collections.abc import Callable
from pathlib import Path

from palm.config.base_model import TinyModel
from palm.models.prompts import encode_prompts, read_records
from palm.models.supervised import Pair, fit

_PAD, _END, _USER, _ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tiny_model(
    settings: TinyModel,
    destination: Path,
    *,
    scratch: Path,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> None:
    """Train a tokenizer and a Llama on a corpus and save both as a Hugging Face model folder.

    Args:
        scratch: folder for the trainer's own files.
        on_step: called with (step, steps, loss).
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    records = read_records(settings.corpus, ("prompt", "response"))
    tokenizer = _train_tokenizer(records, settings.vocabulary_size)
    prompts = encode_prompts(tokenizer, [record["prompt"] for record in records])
    responses = tokenizer([record["response"] + _END for record in records])["input_ids"]
    pairs = [Pair(prompt, response) for prompt, response in zip(prompts, responses, strict=True)]
    set_seed(settings.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=3 * settings.hidden_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            tie_word_embeddings=True,
            max_position_embeddings=1024,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            initializer_range=settings.hidden_size**-0.5,
        )
    )
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    fit(
        model,
        tokenizer,
        pairs,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        scratch=scratch,
        callbacks=[_report(on_step)],
    )
    model.to(torch.float32).save_pretrained(destination)
    tokenizer.save_pretrained(destination)


def _report(on_step: Callable[[int, int, float], None]):
    from transformers import TrainerCallback

    class Report(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if "loss" in logs:
                on_step(state.global_step, state.max_steps, logs["loss"])

    return Report()


def _train_tokenizer(records: list[dict], vocabulary_size: int):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[_PAD, _END, _USER, _ASSISTANT],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator((record[key] for record in records for key in ("prompt", "response")), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=_PAD,
        eos_token=_END,
        additional_special_tokens=[_USER, _ASSISTANT],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer
