"""Quasars of the simulated sky: what there is, and what it looks like."""
