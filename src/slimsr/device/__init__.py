"""The device that computes, the processes that share a job, and MindSpore's own noise."""
