"""The second door to the graph of dvc.yaml: in parallel, visible, scheduled.

Nothing is defined here that dvc.yaml does not define; nothing is computed here either.

| file | what it is for |
|---|---|
| ``graph`` | stages, edges, what changed, recording: all use of DVC's Python API |
| ``lockfile`` | dvc.lock, written whole and at once |
| ``processes`` | a stage's command as a child process |
| ``schedule`` | which stage may start; what became of it |
| ``pipeline`` | the flow |
"""
