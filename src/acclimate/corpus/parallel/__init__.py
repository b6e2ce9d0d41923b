"""The sieve over many batches at once: in this process, in workers, on a cluster; always in the order of reading."""
