"""Where pods of a run find the authorities that a site trusts, and what tells programs of them."""

FOLDER = "/etc/palm-ca"
"""Where the ConfigMap that holds them is mounted."""

VARIABLES = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), f"{FOLDER}/ca.crt")
"""Environment variables by which OpenSSL, requests and boto3 find them."""
