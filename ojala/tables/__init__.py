"""Anyone's tables, read and written with exact types; files that are whole or not there."""
