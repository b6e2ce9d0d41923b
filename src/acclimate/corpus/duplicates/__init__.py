"""Repeats: exact, near and their stores."""
