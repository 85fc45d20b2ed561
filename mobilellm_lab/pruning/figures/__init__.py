"""Figures of chapter 4, printed, live and replayed"""
