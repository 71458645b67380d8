"""Daily life of residents in the gateway: night reports, care tasks, what was learned, summaries for care plans."""
