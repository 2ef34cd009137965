"""PALM: a few aligned policies that serve every preference, with a certificate."""

from importlib.metadata import version

__version__ = version("palm")
