"""Training in torch; the only package that imports it."""

import os

# Read by OpenMP and by torch's allocator when torch is first imported. Sleeping at barriers: threads that spin there
# while a neighbour holds their processor made a step eighty times as slow. Huge pages: fewer faults on large tables.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
