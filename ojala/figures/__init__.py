"""The paper's figures and more, each from plain arrays to a matplotlib figure."""
