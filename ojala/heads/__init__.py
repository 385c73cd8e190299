"""Heads on frozen embeddings: further quantities from a user's own labels."""
