"""The database: opening, transactions, migrations."""
