"""SlimSR: super-resolution networks, made small and fast, for Ascend NPUs and any CPU."""

__version__ = "0.2.0"
