"""Builds: records, reuse of finished work, checks, launching of trainings."""
