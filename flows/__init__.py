"""The second door to the graph of dvc.yaml: in parallel, visible, scheduled.

Nothing is defined here that dvc.yaml does not define; nothing is computed here either.
What lies directly in this folder is a command, a flow that Prefect's pages can start,
or what these share:

| file | what it is for |
|---|---|
| ``__main__`` | ``python -m flows``: run the graph |
| ``pipeline`` | the graph as a Prefect flow |
| ``local`` | the graph on plain threads, without Prefect |
| ``placement`` | whether stages are made on this machine or on a cluster |
| ``study`` | another study, as a command and a flow |
| ``search`` | trials of a study with other numbers, as Optuna proposes them |
| ``compare`` | a comparison of revisions, as a command and a flow |
| ``studies`` | which studies ran here? |
| ``draw`` | a picture of the graph |
| ``claims`` | papers' claims, each by its study |
| ``serve`` | ``make ui``: Prefect's pages, and what they can start |

The folders hold what these stand on:

| file | the question it answers |
|---|---|
| ``engine/graph`` | which stages are there, what changed, what is recorded? |
| ``engine/lock_writer`` | how is dvc.lock written? |
| ``engine/outputs`` | may a stage remove what lies in its output's place? |
| ``engine/refusals`` | how does the graph say what it refuses? |
| ``engine/code_guard`` | was the code edited while the graph ran? |
| ``engine/schedule`` | which stage may start? |
| ``engine/progress`` | how far is a run, and how long does the rest take? |
| ``engine/run`` | what happens to a stage; how is a run alone in its folder? |
| ``engine/processes`` | how does a command start, and end when a run is cancelled? |
| ``cluster/driver``, ``ledger`` | what does the machine do that drives a cluster? |
| ``cluster/worker``, ``site`` | what does a worker do? |
| ``cluster/jobs``, ``dvc_remote`` | what goes between them, and which way? |
| ``server/start`` | which server is used; who starts and ends it? |
| ``server/settings``, ``application`` | how is it set up; what runs in its process? |
| ``server/endpoint`` | how is it asked without Prefect? |
| ``server/stale_runs`` | what becomes of runs that lost their process or their hour? |
| ``server/display`` | what do its pages show of a stage, and of a report? |
| ``server/runs`` | how is a run called, how does it end, what shows its progress? |
| ``server/pages`` | which of the project's own pages does it hand out? |
| ``experiments/plan`` | what of a study is checked before it runs? |
| ``experiments/worktree`` | where does another study run? |
| ``experiments/experiment`` | what becomes a DVC experiment? |
| ``experiments/space``, ``goal`` | where does a search look, and for what? |
| ``experiments/trials`` | what does a search know? |
| ``picture/groups``, ``layers`` | what is drawn of the graph, and where? |
| ``revisions/layout``, ``objects`` | what does a comparison read of a commit? |
| ``revisions/locked`` | what does a dvc.lock say of how it was made? |
| ``revisions/made_here``, ``mends`` | what if its results were made elsewhere? |
"""
