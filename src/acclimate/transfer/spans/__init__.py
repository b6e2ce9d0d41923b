"""Tasks whose answers are stretches of a text."""
