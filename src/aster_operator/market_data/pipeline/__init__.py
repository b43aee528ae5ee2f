"""The catalog elsewhere: object storage by fsspec, and BigQuery, day by day, whole or not there."""
