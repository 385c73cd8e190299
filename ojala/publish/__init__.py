"""A catalogue in the formats that the field reads: VOParquet, FITS, VOTable, HATS, qp."""
