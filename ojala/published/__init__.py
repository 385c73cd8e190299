"""The weights that the authors published, as a bundle."""
