"""Keeping the texts that a model is judged by out of the text that it learns from."""
