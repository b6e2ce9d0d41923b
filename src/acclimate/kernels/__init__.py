"""Small fused operations for processors, in C++ that is built on first use. Each has a plain twin in torch."""
