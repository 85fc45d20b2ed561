"""Pictures of the chapters."""
