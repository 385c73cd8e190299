"""How a trained network is computed: backends and precisions, and which of them may answer."""
