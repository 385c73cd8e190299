"""FITS files as surveys write them: physical values, units, and every fault in a sentence."""
