"""The device that computes, and the processes that share a job."""
