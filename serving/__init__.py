"""The service of a registered bundle."""
