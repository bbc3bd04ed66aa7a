"""Where a number comes from.

`record` writes what a job was and cost to a JSON file beside its log. `trace` reads such files: the
jobs behind a result, and tables of all jobs. `rejections` gathers the crystals refused on the way.
"""
