"""Chapter 7's sweeps, and their rows as tables"""
