"""Catalogues with answers: a user's columns, the VAC, provenance and the data model."""
