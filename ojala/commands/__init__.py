"""One file per sub-command of ``ojala``."""
