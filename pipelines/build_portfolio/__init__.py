"""Pipeline: configuration in, certified and registered portfolio out."""
