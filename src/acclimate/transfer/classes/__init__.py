"""Tasks with one answer to a text or a few: a class, a number, a choice."""
