"""Pipeline: a new portfolio when an input has changed; else one small task."""
