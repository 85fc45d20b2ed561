"""Chapter 1 measured: stored rows as tables."""
