"""Families and sizes over Transformers, and packed attention."""
