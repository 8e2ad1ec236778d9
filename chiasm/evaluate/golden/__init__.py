"""The scorers checked from outside, by cases with known values: `python -m chiasm.evaluate.golden IN.json --out OUT.json`."""
