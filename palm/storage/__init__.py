"""Storage of finished work: a folder or S3, named by content."""
