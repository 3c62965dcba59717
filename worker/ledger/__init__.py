"""The only SQL: schema, migrations, guarded transitions, the committer, attempts, counts."""
