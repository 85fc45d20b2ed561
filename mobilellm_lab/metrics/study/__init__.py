"""Chapter 7 measured."""
