"""CoConViT, a family of ours: `family.py` its settings, `modelling.py` its models."""
