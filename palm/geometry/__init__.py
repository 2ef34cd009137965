"""The mathematics of portfolios, on numpy arrays alone: preferences, certified selection, adaptive design.

Notation of all modules: d objectives; preferences v and weights w are points of the simplex, shape (d,); value vectors
a_k, shape (n, d), give the objective of policy k for v as a_k · v; J*(v) is the best value for v. ``delta`` is an
additive tolerance and ``epsilon`` a multiplicative one; of the cells of a grid they are δ' in [0, 1] and ε' in [0, 1).
"""
