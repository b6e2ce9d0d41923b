"""Heads and task fine-tuning."""
