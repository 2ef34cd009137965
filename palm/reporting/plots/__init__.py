"""Plots of a portfolio."""
