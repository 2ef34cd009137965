"""Component: which policies are kept, trained on or trained anew."""
