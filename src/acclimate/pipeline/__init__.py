"""Stages: which artifacts each reads and writes, what is up to date."""
