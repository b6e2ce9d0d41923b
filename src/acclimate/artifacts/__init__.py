"""Durable, content-addressed folders: atomic writes, manifests, locks. Never imports torch."""
