"""Schema migrations, one module for each version, run when the database is opened."""
