"""Tables of the project: bands, quantities, columns, lines, depths."""
