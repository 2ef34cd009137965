"""Reports for people: figures, self-contained HTML pages and the summary on the terminal."""
