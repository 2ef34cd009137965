"""The mathematics of portfolios, on numpy arrays alone: preferences, certified selection, adaptive design.

Notation of all modules: d objectives, 2 to 8; preferences v and weights w are points of the simplex, shape (d,); value
vectors a_k, shape (n, d), give the objective of policy k for v as a_k · v; J*(v) is the best value for v; a portfolio
is the indices of its members, at least one. ``delta`` is an additive tolerance, at least 0, and ``epsilon`` a
multiplicative one, in [0, 1]; of the cells of a grid they are δ' in [0, 1] and ε' in [0, 1).

Malformed numbers are a DataError; weights off the simplex, and arguments of a grid out of range, a WeightsError;
members or tolerances out of range, and gaps that no portfolio reaches, a SelectionError.
"""
