"""The file formats of tables: how each is read, written, and what it cannot hold."""
