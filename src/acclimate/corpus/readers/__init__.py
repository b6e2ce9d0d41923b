"""Readers of standard corpora by name: each knows the published shape and yields the documents and the fields."""
