"""A component that is not PALM's: rejection sampling, as a team that has a trainer of its own would bring it."""

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
    """Fine-tune the base model on those of its own responses that the preference weights like best.

    Args:
        config: The configuration: JSON text, or the address of a file.
        plan: Folder of design_grid.
        group: Name of a group of policies, of design_grid.
        keep: Responses to each prompt that are kept.
        epochs: Passes over them.
        learning_rate: Peak learning rate.

    Returns:
        Output: What evaluate_policies takes: for each policy its weights, its name in the storage and an empty error.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import pandas as pd
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from palm.builds.reuse import fetched, keep_folder
    from palm.builds.training_groups import read_work
    from palm.config.resolve import resolve_config
    from palm.storage.store import Store

    def train(weights: list, base_model: Path, rollouts: Path, folder: Path) -> None:
        table = pd.read_parquet(rollouts / "train.parquet")
        table["score"] = table.filter(regex="^reward_") @ weights
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

    root, work = resolve_config(config).storage.root, read_work(Path(plan.path))
    trained = []
    with fetched(root, work.base_model, work.rollouts) as (base_model, rollouts), TemporaryDirectory() as scratch:
        for index, training in enumerate(work.groups[group]):
            folder = Path(scratch) / f"policy-{index}"
            train(training["weights"], base_model, rollouts, folder)
            # Named by its files: finished evaluations are found again by this name.
            name = keep_folder(Store(root), "policy", folder)
            trained.append({"policy": name, "weights": training["weights"], "error": ""})
    return trained
