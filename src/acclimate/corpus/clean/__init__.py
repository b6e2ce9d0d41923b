"""Cleaning steps: documents in, documents and what was dropped out."""
