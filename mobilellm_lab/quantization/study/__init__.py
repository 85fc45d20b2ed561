"""Chapter 3 measured: recipes, runs, sweeps, and stored rows as tables."""
