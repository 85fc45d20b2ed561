"""Figures of chapter 3, printed, live and replayed"""
