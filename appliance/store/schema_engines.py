"""The schema's step for engines: what a deployment's engine was made for."""

M005 = (
    # models/deploy.py: the fields of an EngineKey as JSON; {} in rows of earlier releases
    "ALTER TABLE deployments ADD COLUMN made_for TEXT NOT NULL DEFAULT '{}'",
)
