"""TRANSLATES between platforms and the library: one package per platform, on the public names alone."""
