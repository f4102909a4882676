"""A warm server: a process that has imported the libraries and forks the stages.

Importing torch takes seconds, and each stage of a study would do it again. The first
stage that DVC starts in a checkout starts a server there; that imports the libraries,
and for every ``python -m tasks.<stage>`` from then on forks a child which is that
stage. The process that was started, the client, waits for the child and ends as it
ended. ``client.py`` and ``starters.py`` are the one, ``server.py`` and ``child.py`` the
other; ``inherited.py`` says which processes may share a server. What is promised, and
why, is in docs/decisions/warm.md.

A request is one byte with six files: stdin, stdout, stderr, the current folder, the
request's text (:mod:`tasks.warm.inherited`) and one end of a pair of sockets. On the
pair the child says its number once all is prepared and waits for a byte before it
begins; until then the client may begin cold itself. On the connection the client sends
the numbers of signals, a byte each, and the server how the child ended, four bytes as
`os.waitpid` gives it. Whoever sees the other side's end is the last one left and cleans
up: the server kills the child, the client the child's group.

``OFFCUT_WARM=0`` in the environment: no server is started or asked.
"""
