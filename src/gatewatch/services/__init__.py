"""The use cases, on ports: processing batches, reviewing sources, importing, querying."""
