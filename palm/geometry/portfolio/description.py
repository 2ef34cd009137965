"""A portfolio's certificate as plain values that can be saved and checked again."""


def describe_certificate(table, certificate):
    """Describe a portfolio's certificate with the policies' names and everything that its proof needs.

    Args:
        table: the ValueTable whose value vectors were certified.
        certificate: the PortfolioCertificate.

    Returns:
        Dict of plain values: portfolio (names), epsilon, delta, worst_weights, additive_gap,
        additive_worst_weights, and proof: policies (names), values (a_k, one row for each policy), combinations (one
        row for each policy, one number for each member) and additive_combinations (as many).
    """
    return {
        "portfolio": [table.names[member] for member in certificate.portfolio],
        "epsilon": certificate.epsilon,
        "delta": certificate.delta,
        "worst_weights": certificate.worst_weights.tolist(),
        "additive_gap": certificate.additive_gap,
        "additive_worst_weights": certificate.additive_worst_weights.tolist(),
        "proof": {
            "policies": list(table.names),
            "values": table.value_vectors.tolist(),
            "combinations": certificate.combinations.tolist(),
            "additive_combinations": certificate.additive_combinations.tolist(),
        },
    }
