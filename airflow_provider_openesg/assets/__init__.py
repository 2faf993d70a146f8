"""Assets: what DAGs are scheduled on."""
