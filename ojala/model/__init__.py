"""The transformer: embedding, attention, heads. Architecture and nothing else."""
