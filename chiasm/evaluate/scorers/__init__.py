"""The benchmarks' own rules of scoring, each to the letter of a named implementation, quirks included.

One file holds one family of benchmarks. A rule is a function; where published numbers follow more than one implementation it
takes `reference=`, whose first value is the canonical one. What a run keeps of an answer is a `Score`, which names it.
"""
