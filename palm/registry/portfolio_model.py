"""MLflow model of a portfolio: loaded from the code of this file, never from a pickle."""

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel

import palm


class PortfolioModel(PythonModel):
    """Routes each row's preference weights to a policy and lets it answer the row's prompt."""

    def load_context(self, context):
        """Check the whole version around the portfolio folder, and open it."""
        self._portfolio = palm.load(Path(context.artifacts["portfolio"]).parents[1])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        """Answer prompts.

        Args:
            model_input: DataFrame with columns ``prompt`` and ``weights`` (list of length d).
            params: ``seed``, ``temperature``, ``max_new_tokens`` (0: the portfolio's own limit).

        Returns:
            DataFrame with columns ``policy`` and ``response``.
        """
        options = dict(params or {})
        options["max_new_tokens"] = options.get("max_new_tokens") or None
        answers = [
            self._portfolio.answer(prompt, list(weights), **options)
            for prompt, weights in zip(model_input["prompt"], model_input["weights"], strict=True)
        ]
        return pd.DataFrame([{"policy": answer.policy, "response": answer.response} for answer in answers])


mlflow.models.set_model(PortfolioModel())
