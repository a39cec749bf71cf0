"""The job that runs and the jobs that were: progress, figures, records."""
