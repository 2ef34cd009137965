"""The steps of a build: files in, files out, one module a step."""
