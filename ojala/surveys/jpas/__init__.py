"""J-PAS: dual-mode catalogues and the archive that gives them out."""
