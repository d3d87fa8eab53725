"""What tasks look like outside of isahit lab: one module per format, each a set of pure functions."""
