"""What SlimSR stands on: versions, what is missing, what does not fit together."""
