"""Component: the gate before the alias champion."""
