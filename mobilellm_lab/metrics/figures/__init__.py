"""Chapter 7's figures: printed, live and replayed"""
