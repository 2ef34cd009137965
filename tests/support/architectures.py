"""Tiny base models of other architectures, with random weights and the tokenizer of the small Llama."""

from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer

_SIZE = {"hidden_size": 16, "num_hidden_layers": 2}
_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 32}
_VISION = {"hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 16, "depth": 1}


def write_model(folder: Path, architecture: str, tokenizer_of: Path, **settings) -> Path:
    """Write a base model; settings replace those of its configuration."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    text = {"vocab_size": len(tokenizer), **ends, **_SIZE, **_HEADS}
    torch.manual_seed(0)
    config, kind = _ARCHITECTURES[architecture]
    model = getattr(transformers, kind)(config(text, settings))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _llama(text: dict, settings: dict):
    return transformers.LlamaConfig(**{**text, **settings})


def _gpt2(text: dict, settings: dict):
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
    ids = {key: text[key] for key in ("vocab_size", "eos_token_id", "pad_token_id")}
    return transformers.GPT2Config(**{**ids, **sizes, **settings})


def _mamba(text: dict, settings: dict):
    return transformers.MambaConfig(vocab_size=text["vocab_size"], state_size=4, **_SIZE, **settings)


def _jamba(text: dict, settings: dict):
    layers = {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1}
    small = {"num_experts": 1, "num_experts_per_tok": 1, "mamba_d_state": 4, "use_mamba_kernels": False}
    return transformers.JambaConfig(**{**text, **layers, **small, **settings})


def _mixtral(text: dict, settings: dict):
    return transformers.MixtralConfig(**{**text, "num_local_experts": 2, "num_experts_per_tok": 1, **settings})


def _qwen2_moe(text: dict, settings: dict):
    experts = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
    return transformers.Qwen2MoeConfig(**{**text, **experts, "shared_expert_intermediate_size": 16, **settings})


def _phimoe(text: dict, settings: dict):
    return transformers.PhimoeConfig(**{**text, "num_local_experts": 2, "num_experts_per_tok": 1, **settings})


def _llama4(text: dict, settings: dict):
    experts = {"num_local_experts": 2, "intermediate_size_mlp": 32, "interleave_moe_layer_step": 1}
    return transformers.Llama4TextConfig(**{**text, **experts, **settings})


def _jetmoe(text: dict, settings: dict):
    sizes = {"kv_channels": 8, "num_local_experts": 2, "num_experts_per_tok": 1, "num_key_value_heads": 2}
    return transformers.JetMoeConfig(**{**text, **sizes, **settings})


def _qwen35(text: dict, settings: dict):
    linear = {"linear_num_value_heads": 2, "linear_num_key_heads": 2, "linear_key_head_dim": 8}
    kinds = {"linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"]}
    return transformers.Qwen3_5Config(text_config={**text, **linear, **kinds, **settings}, vision_config=_VISION)


def _gemma3(text: dict, settings: dict):
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    images = {"image_size": 28, "patch_size": 14}
    sliding = {"sliding_window": 32}
    return transformers.Gemma3Config(
        text_config={**text, **sliding, **settings}, vision_config={**vision, **images}, mm_tokens_per_image=4
    )


def _qwen25_vl(text: dict, settings: dict):
    rope = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}}
    return transformers.Qwen2_5_VLConfig(text_config={**text, **rope, **settings}, vision_config=_VISION)


_ARCHITECTURES = {
    "llama": (_llama, "LlamaForCausalLM"),
    "gpt2": (_gpt2, "GPT2LMHeadModel"),
    "mamba": (_mamba, "MambaForCausalLM"),
    "jamba": (_jamba, "JambaForCausalLM"),
    "mixtral": (_mixtral, "MixtralForCausalLM"),
    "qwen2_moe": (_qwen2_moe, "Qwen2MoeForCausalLM"),
    "phimoe": (_phimoe, "PhimoeForCausalLM"),
    "llama4_text": (_llama4, "Llama4ForCausalLM"),
    "jetmoe": (_jetmoe, "JetMoeForCausalLM"),
    "qwen35": (_qwen35, "Qwen3_5ForConditionalGeneration"),
    "gemma3": (_gemma3, "Gemma3ForConditionalGeneration"),
    "qwen25_vl": (_qwen25_vl, "Qwen2_5_VLForConditionalGeneration"),
}
