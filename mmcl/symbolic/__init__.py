"""The derivation, from the definitions to the flow, in SymPy: one source for the chapters and for the solver.

`chain.derivation` is the whole of it in order; `potentials` and `hyperbolic` compile what the solver runs.
"""
