# The checked configuration, the plan that is made from it, and what rules ask of the plan.

from inspect import signature
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from sitenet.options.config import ConfigError
from sitenet.plan import paths
from sitenet.plan.configuration import complete
from sitenet.plan.names import UnknownName
from sitenet.plan.plan import Plan
from sitenet.provenance.code import Code
from sitenet.provenance.replaced import replaced
from sitenet.sources.records import SourceError

ROOT = Path(workflow.snakefile).resolve().parents[1]
try:
    config = complete(config, ROOT, workflow.configfiles)
except ConfigError as error:
    raise WorkflowError(error) from None
plan = Plan(config)
code = Code(ROOT, cache=Path(".snakemake")).fingerprint


def of(find, attribute=None):
    """Function of the wildcards: the entry of the plan that they name, or an attribute of it."""
    names = signature(find).parameters

    def value(wildcards):
        try:
            found = find(*(getattr(wildcards, name) for name in names))
            return getattr(found, attribute) if attribute else found
        except (UnknownName, ConfigError, SourceError) as error:
            raise WorkflowError(error) from None

    return value


def memory(megabytes):
    """Function of the attempt: the memory of a job in MB, as much again with every retry."""
    return lambda wildcards, attempt: megabytes * attempt


def beside(most):
    """Function of the wildcards: threads of a job that can use `most`, at most half the cores.

    While one of two jobs side by side starts, reads or ends, the other computes.
    """

    def threads(wildcards):
        cores = workflow.global_resources["_cores"].value
        here = workflow.is_main_process and workflow.local_exec and cores is not None
        return max(1, min(most, cores // 2)) if here else most

    return threads


def fewer_lines(record):
    """Count the scheduler's lines about single jobs among those that `quiet: rules` silences."""
    if record.getMessage().startswith(("Select jobs", "Execute ", "Finished jobid")):
        record.quietness = Quietness.RULES
    return True


logger.addFilter(fewer_lines)


# Snakemake's limit of jobs per time is for clusters. Here it costs a thread for each job that has been
# started, which looks for jobs to start every few seconds until the run ends.
onstart:
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
