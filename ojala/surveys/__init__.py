"""The surveys' own file formats, read and (for the simulated sky) written."""
