"""Figures against their limits, as ratios within one run wherever one says it better."""
