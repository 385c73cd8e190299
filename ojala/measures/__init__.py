"""Measures of estimates, errors and classes, from plain arrays to numbers."""
