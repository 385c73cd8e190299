"""The registry: MLflow runs, versions, promotion and lineage."""
