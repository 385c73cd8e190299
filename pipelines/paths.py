"""What each stage leaves, relative to the root of the project; the outs of dvc.yaml."""

from pathlib import Path

SIMULATED = Path("data/simulated")
MOCKS = Path("data/mocks")
MOCKS_REJECTS = Path("data/mocks_rejects.parquet")
JPAS = Path("data/jpas")
JPAS_REJECTS = Path("data/jpas_rejects.parquet")
CROSSMATCH = Path("data/crossmatch")
VALIDATION = {name: CROSSMATCH / f"{name}.parquet" for name in ("val_real", "val_synth")}
NOISE = Path("data/noise")
WEIGHTS = Path("data/weights")
BUNDLE = Path("models/ojala")
RUN = Path("models/run.json")
HEADS = Path("models/heads")
EMBEDDINGS = Path("models/embeddings")
REGISTERED = Path("models/registered.json")
ZERO_POINTS = Path("data/zero_points.parquet")
CALIBRATED = Path("data/jpas_calibrated")
DOMAIN = Path("models/domain.safetensors")
RECALIBRATION = Path("models/recalibration.json")
VAC = Path("data/vac")
REPORTS = Path("reports")
TUNE = REPORTS / "tune"
FIGURES = REPORTS / "figures"
EVALUATION_FIGURES = FIGURES / "evaluation"
CURVES = REPORTS / "curves"
REPORT = REPORTS / "report.html"
