"""Models: fetching, loading, prompts, generation, supervised training, and the built-in tiny model."""
