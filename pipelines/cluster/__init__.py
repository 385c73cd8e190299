"""Ray: training on many workers, and searches over trainings."""
