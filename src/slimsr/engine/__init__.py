"""Training and evaluation of whatever the registries hold."""
