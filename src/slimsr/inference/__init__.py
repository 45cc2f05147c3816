"""Networks that run: from a checkpoint or an exported file, on MindSpore or OpenVINO, by tiles."""
