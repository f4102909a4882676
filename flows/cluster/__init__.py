"""The same run on a Dask cluster: a driver, workers, and what goes between them."""
