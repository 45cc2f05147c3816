"""Exported networks as files: ONNX, MINDIR, and the manifest that lists them."""
