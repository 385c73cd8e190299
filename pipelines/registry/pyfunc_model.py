"""The registered model as code: MLflow runs this file to load a version, and pickles nothing.

Beside it in a version lie the bundle and a copy of the library.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from ojala.model import bundle
from ojala.model.predictor import Predictor


class BundleModel(PythonModel):  # type: ignore[misc]
    """A bundle behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        """Open the bundle that was stored with the version."""
        self.predictor = Predictor(bundle.load(context.artifacts["bundle"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Columns with the released names in, missing values NaN; the Predictor's columns out."""
        columns = {name: model_input[name].to_numpy() for name in model_input.columns}
        return pd.DataFrame(self.predictor.predict(columns, (params or {}).get("queries")))


set_model(BundleModel())
