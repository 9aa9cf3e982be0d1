"""Models behind the contract `core.detection.Model`: rows of features in, one raw number each out."""
