"""Spectra, passbands, synthetic photometry, dust, distances and line diagnostics."""
