"""Component of your own: a trainer by rejection sampling in place of PALM's."""

from kfp import dsl

from palm.components import IMAGE


# PALM's image has pandas, PEFT and TRL; your own image needs palm as well, to read and write the storage.
@dsl.component(base_image=IMAGE, install_kfp_package=False)
def best_of_n(
    config: str,
    plan: dsl.Input[dsl.Dataset],
    group: str,
    keep: int = 2,
    epochs: int = 2,
    learning_rate: float = 1e-3,
) -> list:
    """Fine-tune the base model on its own responses with the highest weighted reward.

    Args:
        config: The configuration: JSON text, or the address of a file.
        plan: Folder of design_grid.
        group: Name of a group that design_grid returned.
        keep: Responses kept per prompt.
        epochs: Passes over the kept responses.
        learning_rate: Peak learning rate.

    Returns:
        Output: For each policy its weights, its name in the storage and an empty error, as evaluate_policies takes it.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import pandas as pd
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from palm.artifacts.plan import Work
    from palm.builds.reuse import fetched, keep_folder
    from palm.config.resolve import resolve_config
    from palm.storage.store import Store

    def train(weights: tuple, base_model: Path, rollouts: Path, folder: Path) -> None:
        table = pd.read_parquet(rollouts / "train.parquet")
        table["score"] = table.filter(regex="^reward_") @ list(weights)
        best = table.sort_values("score", ascending=False, kind="stable").groupby("prompt_index").head(keep)
        dialogues = [
            {
                "prompt": [{"role": "user", "content": prompt}],
                "completion": [{"role": "assistant", "content": response}],
            }
            for prompt, response in zip(best["prompt"], best["response"], strict=True)
        ]
        trainer = SFTTrainer(
            model=str(base_model),
            args=SFTConfig(
                output_dir=f"{folder}-scratch",
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
        trainer.save_model(str(folder))

    root, work = resolve_config(config).storage.root, Work.read(Path(plan.path))
    trained = []
    with fetched(root, work.base_model, work.rollouts) as (base_model, rollouts), TemporaryDirectory() as scratch:
        for index, training in enumerate(work.group(group)):
            folder = Path(scratch) / f"policy-{index}"
            train(training.weights, base_model, rollouts, folder)
            # Named by its files, so that an evaluation of the same policy is reused.
            name = keep_folder(Store(root), "policy", folder)
            trained.append({"policy": name, "weights": list(training.weights), "error": ""})
    return trained
