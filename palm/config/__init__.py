"""The configuration of a build: one frozen, validated tree."""
