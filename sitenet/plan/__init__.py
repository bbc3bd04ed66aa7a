"""What a configuration stands for: data sets, runs, experiments, searches and their files.

`plan.Plan` is made from the checked configuration. Its entries know their paths (patterns in
`paths`), the files that they are computed from and the parameters that decide their results. The
rules of the pipeline ask it; nothing here knows of Snakemake.
"""
