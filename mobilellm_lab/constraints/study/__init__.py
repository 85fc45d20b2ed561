"""Chapter 1 measured."""
