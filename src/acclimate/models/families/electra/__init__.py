"""ELECTRA: its settings, and the pair of its models that is trained as one."""
