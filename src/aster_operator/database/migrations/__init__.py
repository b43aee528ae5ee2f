"""Schema history of the books; applied by `aster_operator.database.schema`."""
