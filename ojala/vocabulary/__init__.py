"""The words of the model: bands, quantities, columns, constants, and the tables they stand in."""
