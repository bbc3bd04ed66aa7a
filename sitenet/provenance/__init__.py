"""Provenance of results: records of jobs, and the way from a result back to its jobs.

`record` writes a JSON file next to the log of each job. `trace` finds the jobs that a result comes
from, and `job_tables` summarises them. `rejections` collects the crystals that were rejected.
`code` and `syntax` determine the code that a result depends on.
"""
