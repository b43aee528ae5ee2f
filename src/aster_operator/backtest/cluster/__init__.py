"""The sweep on more than one machine: pieces of work as Parquet in and out, handed out by Dask."""
