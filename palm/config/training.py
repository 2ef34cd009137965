"""Configuration of training: the section `training` and its parts."""

from typing import Literal

from pydantic import Field, model_validator

from palm.config.base import Section
from palm.config.train_job import TrainJobSettings

Backend = Literal["rloo", "grpo", "rwr", "soup"]

_RUNTIME_ONLY = {"checkpoint_steps", "launcher", "train_job", "together", "min_policies"}
"""Settings that change how or where a training runs, not its result."""


class Lora(Section):
    """The adapter: low-rank updates of linear layers."""

    ADDED = frozenset({"layers"})

    rank: int = Field(16, ge=1, description="Rank of each update.")
    alpha: int = Field(32, ge=1, description="Scale numerator: updates are multiplied by alpha / rank.")
    layers: Literal["linear", "attention"] = Field(
        "linear",
        description="Layers that are updated: all linear ones, or those of the attention only, as a mixture of experts "
        "and a model with Mamba layers need.",
    )


class Rwr(Section):
    """Reward-weighted regression on the shared reference rollouts."""

    epochs: int = Field(1, ge=1, description="Passes over the resampled rollouts.")
    batch_size: int = Field(64, ge=1, description="Responses per optimiser step.")
    micro_batch_size: int | None = Field(
        None, ge=1, description="Responses per backward pass; divides batch_size; unset: all of a process."
    )
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW; tiny models need about 1e-3.")


class Vllm(Section):
    """Generation of training responses by vLLM instead of transformers: much faster on a GPU (`pip install vllm`)."""

    mode: Literal["colocate", "server"] = Field(
        description="colocate: on the training GPU; server: a running `trl vllm-serve` of the base model, which "
        "holds the weights of one policy, so that one policy may be trained at a time."
    )
    server_url: str | None = Field(None, description="Address of the server; only with mode server.")
    gpu_memory_share: float = Field(0.3, gt=0, lt=1, description="Share of the GPU's memory; only with mode colocate.")

    @model_validator(mode="after")
    def _server_is_named(self):
        if (self.mode == "server") != (self.server_url is not None):
            raise ValueError("server_url is required with mode: server and refused with mode: colocate")
        return self


class Soup(Section):
    """Interpolation of the corner policies, each trained for a single reward."""

    corners: Literal["rloo", "grpo", "rwr"] = Field("rwr", description="Backend that trains the corner policies.")


class Training(Section):
    """How each policy is trained; only objective-faithful settings exist (docs/method.md, what is trained)."""

    backend: Backend = Field(
        "rloo",
        description="rloo: maximises J exactly; grpo: its KL gradient is corrected a token at a time; rwr: imitates "
        "the best reference rollouts; soup: interpolates the corner policies.",
    )
    warm_start: Literal["rwr", "rloo", "grpo", "soup", "none"] | None = Field(
        None,
        description="Backend of the policy that the training starts from; unset: rwr for rloo and grpo, else none.",
    )
    steps: int = Field(ge=1, description="Policy-gradient steps (rloo, grpo).")
    prompts_per_step: int = Field(8, ge=1, description="Distinct prompts per step.")
    responses_per_prompt: int = Field(8, ge=2, description="Responses per prompt and step: the baseline's group.")
    micro_batch_size: int = Field(
        64, ge=1, description="Responses per backward pass; divides the step's; smaller: less memory, same gradient."
    )
    learning_rate: float = Field(
        1e-4, gt=0, description="Peak learning rate of AdamW, linear decay; tiny models need about 1e-3."
    )
    warmup_steps: int = Field(3, ge=0, description="Steps of linear warm-up.")
    activation_checkpointing: bool = Field(False, description="Recompute activations: less memory, about 20 % slower.")
    vllm: Vllm | None = Field(None, description="Generate with vLLM; unset: with transformers.")
    processes: int = Field(
        1, ge=1, description="Processes, one GPU each, that train a policy together on one machine (accelerate)."
    )
    launcher: Literal["pod", "trainjob"] = Field(
        "pod", description="pod: on the machine of the step itself; trainjob: on the nodes of the section train_job."
    )
    train_job: TrainJobSettings | None = Field(None, description="Nodes of a cluster; only with launcher: trainjob.")
    lora: Lora | None = Field(Lora(), description="Adapter settings; null: full fine-tuning of every weight.")
    rwr: Rwr = Field(Rwr(), description="Settings of the rwr backend and warm start.")
    soup: Soup = Field(Soup(), description="Settings of the soup backend and warm start.")
    together: int | None = Field(
        None,
        ge=1,
        description="Policies that one task trains, and one task evaluates, one after the other; unset: one for "
        "up to 16 policies, otherwise as many as keep the build to 16 training tasks.",
    )
    min_policies: int | None = Field(
        None,
        ge=1,
        description="Trained policies that a selection needs at least, if trainings fail permanently; unset: all but "
        "one in ten.",
    )
    checkpoint_steps: int = Field(
        25, ge=1, description="Steps between checkpoints in the storage; an interrupted training resumes from the last."
    )
    max_kl: float | None = Field(
        None,
        gt=0,
        description="KL of whole responses to the reference, in nats, above which training stops; unset: 1 / beta, "
        "where no policy can be better than the reference.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of adapter initialisation, data order and sampling.")

    @model_validator(mode="after")
    def _train_job_matches_launcher(self):
        if (self.launcher == "trainjob") != (self.train_job is not None):
            raise ValueError(
                "the section `train_job` is required with launcher: trainjob and refused with launcher: pod"
            )
        return self

    @model_validator(mode="after")
    def _micro_batches_fill_the_step(self):
        responses = self.prompts_per_step * self.responses_per_prompt
        if responses % (self.micro_batch_size * self.world_size):
            raise ValueError(
                f"micro_batch_size={self.micro_batch_size} × {self._shown_world}: must divide "
                f"prompts_per_step × responses_per_prompt = {responses}"
            )
        return self

    @model_validator(mode="after")
    def _rwr_batches_are_filled(self):
        micro = self.rwr.micro_batch_size or max(1, self.rwr.batch_size // self.world_size)
        if self.rwr.batch_size % (micro * self.world_size):
            raise ValueError(
                f"rwr.micro_batch_size={micro} × {self._shown_world}: must divide rwr.batch_size={self.rwr.batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _backends_fit(self):
        if self.warm_start == self.backend:
            raise ValueError(f"warm_start={self.warm_start!r}: must be another backend than {self.backend!r}, or none")
        if self.backend == "soup" and self.warm_start not in (None, "none"):
            raise ValueError(f"warm_start={self.warm_start!r}: soup trains nothing itself; set soup.corners instead")
        if "soup" in (self.backend, self.warm_start) and self.lora is None:
            raise ValueError("lora=null: soup interpolates adapters; give LoRA settings or choose another backend")
        return self

    @property
    def world_size(self) -> int:
        """Processes of all nodes that train a policy together."""
        return self.processes * (1 if self.train_job is None else self.train_job.nodes)

    @property
    def fingerprint_settings(self) -> dict:
        """The settings that decide the result; of nodes and processes only the number of all processes counts."""
        return {**self.model_dump(mode="json", exclude=_RUNTIME_ONLY), "processes": self.world_size}

    @property
    def of_corners(self) -> "Training":
        """Settings of the corner policies of a soup: of a build with their backend, which shares these policies."""
        return self.model_copy(update={"backend": self.soup.corners, "warm_start": None})

    @property
    def _shown_world(self) -> str:
        nodes = "" if self.train_job is None else f" × train_job.nodes={self.train_job.nodes}"
        return f"processes={self.processes}{nodes}"

    @property
    def backends(self) -> set[str]:
        """All backends that run: the backend, its warm start and, for a soup, those of the corner policies."""
        found = {self.backend, self.start} - {"none"}
        if "soup" in found:
            found |= {self.soup.corners, "rwr"}
        return found

    @property
    def samples(self) -> bool:
        """Whether a backend samples responses while it trains."""
        return bool(self.backends & {"rloo", "grpo"})

    @property
    def start(self) -> str:
        """The backend that the training starts from, or ``none``."""
        if self.warm_start is not None:
            return self.warm_start
        return "rwr" if self.backend in ("rloo", "grpo") else "none"
