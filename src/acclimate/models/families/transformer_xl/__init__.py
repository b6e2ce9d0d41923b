"""Transformer-XL and TLM-XL, models of ours."""
