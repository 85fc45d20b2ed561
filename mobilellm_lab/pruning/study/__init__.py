"""Measurements of chapter 4: recipes, runs, sweeps and their tables"""
