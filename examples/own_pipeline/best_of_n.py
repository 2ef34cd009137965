"""A component that is not PALM's: rejection sampling, as a team that has a trainer of its own would bring it."""

from kfp import dsl

from components import IMAGE


# Any image with pandas, PEFT and TRL will do. PALM's happens to have them.
@dsl.component(base_image=IMAGE, install_kfp_package=False)
def best_of_n(
    preference_weights: list,
    base_model: dsl.Input[dsl.Model],
    rollouts: dsl.Input[dsl.Dataset],
    policy: dsl.Output[dsl.Model],
    keep: int = 2,
    epochs: int = 2,
    learning_rate: float = 1e-3,
):
    """Fine-tune the base model on those of its own responses that the preference weights like best.

    Args:
        preference_weights: One number a reward, in the order of the configuration.
        base_model: Folder of prepare_base_model.
        rollouts: Folder of sample_reference.
        keep: Responses to each prompt that are kept.
        epochs: Passes over them.
        learning_rate: Peak learning rate.

    Returns:
        policy: PEFT adapter folder with the file policy.json that evaluate_policy reads.
    """
    import hashlib
    import json
    from pathlib import Path

    import pandas as pd
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    table = pd.read_parquet(Path(rollouts.path) / "train.parquet")
    table["score"] = table.filter(regex="^reward_") @ preference_weights
    best = table.sort_values("score", ascending=False, kind="stable").groupby("prompt_index").head(keep)
    dialogues = [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "completion": [{"role": "assistant", "content": response}],
        }
        for prompt, response in zip(best["prompt"], best["response"], strict=True)
    ]
    trainer = SFTTrainer(
        model=base_model.path,
        args=SFTConfig(
            output_dir=f"{policy.path}-scratch",
            num_train_epochs=epochs,
            learning_rate=learning_rate,
            per_device_train_batch_size=16,
            save_strategy="no",
            report_to="none",
            bf16=False,
        ),
        train_dataset=Dataset.from_list(dialogues),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.save_model(policy.path)
    # Named by its content: finished evaluations are found again by this name.
    digest = hashlib.sha256((Path(policy.path) / "adapter_model.safetensors").read_bytes()).hexdigest()
    record = {"policy": f"best-of-n-{digest[:12]}", "weights": preference_weights, "guard": None}
    (Path(policy.path) / "policy.json").write_text(json.dumps(record))
