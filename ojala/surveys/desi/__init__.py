"""DESI: coadds, redshifts and value-added catalogues, read and written."""
