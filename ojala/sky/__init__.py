"""The simulated sky: galaxies, quasars and stars from published templates in survey formats."""
