"""The second door to the graph of dvc.yaml: in parallel, visible, scheduled.

Nothing is defined here that dvc.yaml does not define; nothing is computed here either.

| file | what it is for |
|---|---|
| ``graph`` | stages, edges, what changed, recording: DVC's Python API |
| ``lockfile`` | dvc.lock, written whole and at once |
| ``processes`` | a stage's command as a child process |
| ``schedule`` | which stage may start; what became of it |
| ``pipeline`` | the flow |
| ``cluster`` | the same run on a Dask cluster |
| ``worker`` | one stage on another machine |
| ``jobs`` | what goes to a worker and comes back |
| ``remote``, ``sides`` | outputs in DVC's remote: its API for cluster and worker |
| ``study`` | another study, as a flow or without Prefect |
| ``worktree`` | the git worktree another study runs in |
| ``experiment`` | what stands there as a DVC experiment |
| ``server`` | which Prefect server to use; one for a while |
| ``endpoint`` | a server as a process and an address |
| ``application`` | the server's own process |
| ``serve`` | ``make ui``: what can be started from the server's pages |
| ``runs`` | runs that lost their moment or their process |
"""
