# MindSpore carries no types, and what a type checker infers from its sources is wrong: a network's
# call could then return None, a decorator lose its function. So everything of it may be anything.
from typing import Any

def __getattr__(name: str) -> Any: ...
