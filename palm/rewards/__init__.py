"""What scores a response: loading, normalisation, checks, fingerprints."""
