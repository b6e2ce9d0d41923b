"""HTTP service, batching of requests, monitoring."""
