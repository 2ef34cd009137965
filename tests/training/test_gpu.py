"""Properties that need a GPU; the processor tests take the same path. `pytest -m gpu` on a machine that has one."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from palm.errors import PreemptedError
from palm.evaluation.divergence import sequence_divergence
from palm.models.generate import generate
from palm.models.load import LoadedModel, load_model
from palm.models.policies import PolicySet
from palm.models.prompts import encode_prompts

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: pytest -m gpu where there is one"),
]

BF16 = {"base_model__dtype": "bfloat16", "training__steps": 20, "training__learning_rate": 0.003}


@pytest.mark.parametrize("backend", ["rloo", "grpo", "rwr"])
def test_training_in_bfloat16_raises_the_objective(trained, backend):
    record, folder = trained(
        "policy", **BF16, training__backend=backend, training__warm_start="none", training__rwr={"learning_rate": 0.003}
    )
    assert record.guard is None
    assert record.objective_gain.mean > 0
    weights = load_file(folder / "adapter_model.safetensors")
    assert all(np.isfinite(weight).all() and np.abs(weight).max() > 0 for weight in weights.values())


def test_a_preempted_training_resumes_and_ends_close_to_the_undisturbed_one(trained):
    """Sums on a GPU have no fixed order, so not to the bit."""
    settings = {**BF16, "base_model__dtype": "float32", "training__warm_start": "none", "training__checkpoint_steps": 2}
    _, undisturbed = trained("undisturbed", **settings, storage__root="one")
    threading.Thread(target=_preempt, args=(undisturbed.parent / "two",), daemon=True).start()
    with pytest.raises(PreemptedError):
        trained("preempted", **settings, storage__root="two")
    record, resumed = trained("preempted", **settings, storage__root="two")
    assert record.resumed_from_step > 0
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (resumed, undisturbed))
    for name, weight in ours.items():
        assert np.allclose(weight, theirs[name], atol=0.02)


def _preempt(store):
    while not list(store.glob("checkpoints/*/rloo/step-*")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)


def test_responses_and_divergences_are_those_of_a_processor(built, trained):
    _, folder = trained("policy", training__backend="rwr", training__rwr={"learning_rate": 0.003})
    prompts = ["say tea", "tell stone and bread"] * 8
    gpu = PolicySet(load_model(built / "base")).add("policy", folder)
    responses = [r.token_ids for r in generate(gpu, prompts, max_new_tokens=12, batch_size=8, seed=0, temperature=0)]
    ids = encode_prompts(gpu.tokenizer, prompts)
    on_gpu = sequence_divergence(gpu, ids, responses, batch_size=8)
    base = load_model(built / "base")
    slow = PolicySet(LoadedModel(base.model.cpu(), base.tokenizer, base.end_ids)).add("policy", folder)
    assert sequence_divergence(slow, ids, responses, batch_size=8) == pytest.approx(on_gpu, rel=1e-3, abs=1e-5)
    again = [r.token_ids for r in generate(slow, prompts, max_new_tokens=12, batch_size=8, seed=0, temperature=0)]
    assert np.mean([one == other for one, other in zip(again, responses, strict=True)]) > 0.8
