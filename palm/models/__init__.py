"""Base models: fetching, the tiny one, prompts, generation."""
