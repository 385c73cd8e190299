"""OJALA: a foundation model for the light of galaxies, quasars and stars."""

__version__ = "0.1.0"
