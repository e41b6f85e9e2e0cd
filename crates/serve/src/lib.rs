//! Plan, snapshot, query, verdict and the pipeline: the table of contents of the server.
