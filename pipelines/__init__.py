"""One short file per stage of dvc.yaml; what each computes stands in ojala."""
