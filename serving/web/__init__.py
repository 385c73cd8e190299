"""Files of the page for people: shipped as they are."""
