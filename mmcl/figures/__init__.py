"""How the book draws: one style, one display object, and the figures of the chapters."""
