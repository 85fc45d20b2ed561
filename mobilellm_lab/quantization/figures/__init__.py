"""Chapter 3 drawn: its results as pictures, live and replayed."""
