"""Chapter 2 measured: stored rows as tables."""
