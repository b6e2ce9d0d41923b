"""Token store, samplers with exact position, packed batches."""
