"""What an astronomer would use instead, trained and scored on the same rows as OJALA."""
